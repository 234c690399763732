// Package routing decides, step by step, where a client's request goes next:
// to which node, in which epoch, whether to wait for a newer map, and what may
// be said of the request when it ends. The gateway and the simulator drive it.
//
// It is pure: no goroutine, clock or I/O. The caller passes the time in.
package routing

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// Back-off between attempts that met no primary: no jitter, so that a run of
// the simulator repeats. A newer map always ends the wait early.
const (
	firstBackoff = 5 * time.Millisecond
	maxBackoff   = 200 * time.Millisecond
)

// Grace is how long after the deadline an attempt under way is waited for. The
// primary judges the deadline by its own clock and answers TimedOut, which is
// worth more than "unknown"; only that answer's way back has to fit in.
const Grace = 500 * time.Millisecond

// look is how often the map is looked at while an attempt is under way: its
// primary may be paused or cut off, and another one serving by now.
const look = 250 * time.Millisecond

// Request is one client request on its way. One attempt at a time is under way
// that counts. It is not safe for concurrent use.
type Request struct {
	partition partition.ID
	write     bool
	deadline  replica.Time

	// suspect is the highest epoch of an attempt that may have reached a log,
	// or may yet reach one; zero is "none" (rule Q4). Reads have none.
	suspect partition.Epoch
	// learned is the newest configuration that an answer brought.
	learned *partition.Configuration

	sending  bool             // an attempt is under way
	sent     partition.Epoch  // the epoch of the last attempt
	to       partition.NodeID // where it went
	look     replica.Time     // when to look at the map while it is under way
	attempts int
	backoff  time.Duration
	retry    replica.Time // no attempt before this while nothing has changed
	reason   Reason       // why the request is not answered yet

	finished bool
	result   Decision
}

// NewRequest begins a request that a node received. What every attempt sends is
// op, with Epoch set to Decision.Epoch; deadline is the end by the node's clock.
func NewRequest(_ partition.NodeID, op replica.Operation, deadline replica.Time) *Request {
	r := new(Request)
	r.Reset(op.Partition, op.Action, deadline)
	return r
}

// Reset begins another request in the same memory.
func (r *Request) Reset(id partition.ID, action replica.Action, deadline replica.Time) {
	*r = Request{partition: id, write: action != replica.Get, deadline: deadline}
}

// Attempts returns how many attempts were begun.
func (r *Request) Attempts() int { return r.attempts }

// Deadline returns the request's deadline, by the receiving node's clock.
func (r *Request) Deadline() replica.Time { return r.deadline }

// Suspect returns the highest epoch in which an attempt may have reached a log,
// zero if none may have.
func (r *Request) Suspect() partition.Epoch { return r.suspect }

// Next says what to do now. It is called at the start, after Answered and
// Failed, when a newer map is there, and when Decision.Until has come.
func (r *Request) Next(now replica.Time, m *partition.Map) Decision {
	switch {
	case r.finished:
		return r.result
	case r.sending && !r.overtaken(now, m):
		return r.await(now)
	case now >= r.deadline:
		return r.giveUp(r.reason)
	case m == nil || !placed(m):
		return r.unplaced(m)
	}
	c := r.configuration(m)
	switch {
	case c == nil:
		return r.giveUp(NoSuchPartition)
	case c.Primary == "":
		r.reason = NoPrimary
		return r.wait(m, r.deadline)
	case now < r.retry && c.Epoch <= r.sent:
		return r.wait(m, r.retry)
	}
	return r.send(now, c)
}

// overtaken gives up an attempt under way where the map has another primary by
// now: the one that was asked may never answer. It may have logged the write,
// and it would answer that a moment later if it could, hence the wait before.
func (r *Request) overtaken(now replica.Time, m *partition.Map) bool {
	if now < r.look || now >= r.deadline || m == nil || !placed(m) {
		return false
	}
	c := r.configuration(m)
	if c == nil || c.Epoch <= r.sent || c.Primary == r.to || c.Primary == "" {
		return false
	}
	r.Failed(now, true)
	return true
}

// unplaced ends a request that came before the first placement: that takes an
// operator, not a moment.
func (r *Request) unplaced(m *partition.Map) Decision {
	if m == nil {
		return r.giveUp(NoMap)
	}
	return r.giveUp(NotPlaced)
}

// configuration returns the newest one known, from the map or from an answer.
func (r *Request) configuration(m *partition.Map) *partition.Configuration {
	if int(r.partition) >= len(m.Partitions) {
		return nil
	}
	c := &m.Partitions[r.partition]
	if r.learned != nil && r.learned.Epoch > c.Epoch {
		return r.learned
	}
	return c
}

func (r *Request) send(now replica.Time, c *partition.Configuration) Decision {
	if c.Epoch > r.sent {
		r.backoff = 0 // something has changed: begin anew
	}
	r.sending, r.sent, r.to, r.retry = true, c.Epoch, c.Primary, 0
	r.attempts++
	r.look = now.Add(look)
	return Decision{Step: Send, To: c.Primary, Epoch: c.Epoch, Until: min(r.look, r.deadline.Add(Grace))}
}

func (r *Request) wait(m *partition.Map, until replica.Time) Decision {
	return Decision{Step: WaitMap, After: m.Version, Until: min(until, r.deadline), Reason: r.reason}
}

// await keeps an attempt that is under way; after the grace it is lost.
func (r *Request) await(now replica.Time) Decision {
	until := r.deadline.Add(Grace)
	if now < until {
		if r.look <= now {
			r.look = now.Add(look)
		}
		return Decision{Step: Await, Until: min(r.look, until)}
	}
	r.Failed(now, true)
	return r.giveUp(NoAnswer)
}

// giveUp ends the request without an answer: with "never applied" only where
// no attempt can have reached a log.
func (r *Request) giveUp(reason Reason) Decision {
	if r.write && r.suspect != 0 {
		return r.finish(Decision{Step: Finish, Verdict: OutcomeUnknown, Reason: reason})
	}
	return r.finish(Decision{Step: Finish, Verdict: Unavailable, Reason: reason})
}

func (r *Request) finish(d Decision) Decision {
	r.finished, r.result = true, d
	return d
}

func placed(m *partition.Map) bool { return len(m.Partitions) > 0 }
