package gateway

import (
	"net/http"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/routing"
)

// answer turns a replica's answer into the response.
func (c *call) answer(a *replica.Answer) {
	if a.Outcome != replica.Overloaded && a.Outcome != replica.DiskFull {
		c.g.metrics.served[c.way].Inc()
	}
	switch a.Outcome {
	case replica.Found:
		c.found(a)
	case replica.Absent:
		c.outcome = outcomeAbsent
		c.respondProblem(&keyNotFound, a, "")
	case replica.PreconditionFailed:
		c.outcome = outcomePrecondition
		c.respondProblem(&preconditionFail, a, "")
	case replica.Done:
		c.done(a)
	case replica.InProgress:
		c.refuse(&inProgress, "")
	case replica.KeyReused:
		c.refuse(&keyReused, "")
	case replica.Overloaded:
		c.refuse(&overloaded, "too much is waiting in the memory of a node that the partition's replicas are on; nothing was applied")
	case replica.DiskFull:
		c.refuse(&diskFull, "")
	default: // routing gives no other
		c.problem(&unavailable, "")
	}
}

// found answers a GET with the value, or with what its conditions make of it.
func (c *call) found(a *replica.Answer) {
	tag := entry.ETag{Lineage: a.Lineage, Sequence: a.Result.Sequence}
	switch status := readStatus(&c.condition, tag); status {
	case http.StatusPreconditionFailed:
		c.outcome = outcomePrecondition
		c.respondProblem(&preconditionFail, a, "")
		return
	case http.StatusNotModified:
		c.outcome = outcomeNotModified
		h := c.headers(a)
		h[headerETag] = []string{tag.String()}
		c.w.WriteHeader(status)
		return
	}
	large := body{}
	if len(a.Value) > smallBody && c.r.Method != http.MethodHead {
		// It is held for as long as the client takes over it.
		if c.g.reserve(&large, int64(len(a.Value))) != nil {
			c.refuse(&overloaded, "")
			return
		}
		defer c.g.release(large.reserved)
	}
	h := c.headers(a)
	values := [2]string{tag.String(), length(len(a.Value))}
	h[headerETag] = values[0:1:1]
	h[headerContentLength] = values[1:2:2]
	h[headerContentType] = bytesType
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method != http.MethodHead {
		c.w.Write(a.Value) //nolint:errcheck // the client is gone; nobody is left to tell
	}
}

// done answers a write that was applied.
func (c *call) done(a *replica.Answer) {
	h := c.headers(a)
	if c.action == replica.Delete {
		h[headerExisted] = no
		if a.Result.Existed {
			h[headerExisted] = yes
		}
		c.w.WriteHeader(http.StatusNoContent)
		return
	}
	h[headerETag] = []string{entry.ETag{Lineage: a.Lineage, Sequence: a.Result.Sequence}.String()}
	h[headerContentLength] = zeroLength
	if a.Result.Existed {
		c.w.WriteHeader(http.StatusOK)
		return
	}
	c.w.WriteHeader(http.StatusCreated)
}

// headers sets what every answer on a key says.
func (c *call) headers(a *replica.Answer) http.Header {
	h := c.w.Header()
	h[headerCacheControl] = noStore
	if c.g.leaving.Load() {
		h[headerConnection] = closeConnection
	}
	if c.partitions == 0 { // then the key has no partition yet
		h[headerRole] = roleNone
		return h
	}
	h[headerRole] = c.role
	h[headerPartition] = c.g.partitionName(c.partition, c.partitions)
	if c.trace != nil {
		c.trace.headers(h, c.g.backend.Self(), c.role, a)
	}
	return h
}

// refuse answers a request that is at fault, or that there is no room for.
func (c *call) refuse(p *problem, detail string) {
	c.outcome = outcomeRefused
	switch p {
	case &overloaded:
		c.outcome = outcomeOverloaded
	case &diskFull:
		c.outcome = outcomeDiskFull
	}
	c.respondProblem(p, &replica.Answer{}, detail)
}

// problem answers a request that was not served.
func (c *call) problem(p *problem, detail string) {
	c.outcome = outcomeUnavailable
	if p == &outcomeUnknown {
		c.outcome = outcomeInDoubt
	}
	c.respondProblem(p, &replica.Answer{}, detail)
}

// respondProblem writes a problem with the headers of an answer on a key.
func (c *call) respondProblem(p *problem, a *replica.Answer, detail string) {
	h := c.headers(a)
	if p == &preconditionFail && a.Result.Sequence != 0 {
		h[headerETag] = []string{entry.ETag{Lineage: a.Lineage, Sequence: a.Result.Sequence}.String()}
	}
	p.write(c.w, detail)
}

// unavailableDetail says why a request was not served.
func (c *call) unavailableDetail(reason routing.Reason) string {
	detail := c.whyUnavailable(reason)
	if c.action != replica.Get {
		detail += "; the write was not applied, and never will be"
	}
	return detail
}

func (c *call) whyUnavailable(reason routing.Reason) string {
	name, timeout := c.partition.String(), c.query.timeout.String()
	switch reason {
	case routing.NoMap, routing.NotPlaced:
		return c.g.waitsForNodes()
	case routing.NoSuchPartition:
		return "the partition map does not have " + name
	case routing.NoPrimary:
		return name + " had no primary within " + timeout
	case routing.NotReached:
		return "the primary of " + name + " could not be reached within " + timeout
	case routing.ReplicaFailed:
		return "the primary of " + name + " cannot read its storage"
	case routing.GivenUp:
		return c.g.whyGivenUp()
	}
	return "the primary of " + name + " could not serve the request within " + timeout
}

// whyGivenUp says why this node serves a request no further.
func (g *Gateway) whyGivenUp() string {
	if err := g.backend.Fenced(); err != nil {
		return err.Error()
	}
	return "this node is stopping"
}

// unknownDetail says why the outcome of a write is not known.
func (g *Gateway) unknownDetail(reason routing.Reason) string {
	if reason == routing.GivenUp {
		return g.whyGivenUp() + "; the write may have been applied, or may yet be: read the key to find out"
	}
	return ""
}
