package gateway

import (
	"net/http"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/routing"
	"github.com/holdfast-io/holdfast/partition"
)

// call is a request on a key, as its handler sees it.
type call struct {
	g         *Gateway
	w         http.ResponseWriter
	r         *http.Request
	action    replica.Action
	began     time.Time
	key       string
	query     query
	condition replica.Condition
	// idempotency is the client's Idempotency-Key, or empty.
	idempotency string
	trace       *trace
	way         way

	// What the map said at the beginning. The map itself is not kept: the client
	// may take long to send its value, and to take one.
	partitions int // 0 before placement
	partition  partition.ID
	epoch      partition.Epoch
	role       []string // of this node
	outcome    outcome
}

func (g *Gateway) get(w http.ResponseWriter, r *http.Request) {
	c := call{g: g, w: w, r: r, action: replica.Get}
	if c.begin() {
		c.read()
	}
	c.end()
}

func (g *Gateway) put(w http.ResponseWriter, r *http.Request) {
	c := call{g: g, w: w, r: r, action: replica.Put}
	if c.begin() {
		b, err := g.readBody(w, r)
		if err != nil {
			g.release(b.reserved)
			c.refuse(bodyProblem(err), "")
		} else {
			c.write(b)
		}
	}
	c.end()
}

func (g *Gateway) delete(w http.ResponseWriter, r *http.Request) {
	c := call{g: g, w: w, r: r, action: replica.Delete}
	if c.begin() {
		c.write(body{})
	}
	c.end()
}

// begin reads what stands in the request's header; where that is at fault it
// answers, and returns false.
func (c *call) begin() bool {
	c.began = time.Now()
	c.trace = newTrace(c.r)
	p, detail := (*problem)(nil), ""
	if c.key, p = keyOf(c.r, kvPrefix); p != nil {
		c.refuse(p, "")
		return false
	}
	if m := c.g.backend.Map(); m != nil && len(m.Partitions) > 0 {
		c.partitions, c.partition = len(m.Partitions), partition.Of([]byte(c.key), len(m.Partitions))
		at := &m.Partitions[c.partition]
		c.epoch, c.role = at.Epoch, role(at, c.g.backend.Self())
	}
	if c.query, p, detail = c.g.parseQuery(c.r, c.action); p != nil {
		c.refuse(p, detail)
		return false
	}
	var ok bool
	if c.condition, ok = conditionOf(c.r); !ok {
		c.refuse(&badETag, "")
		return false
	}
	if c.action != replica.Get {
		if p, detail = unsupported(c.r, c.action); p != nil {
			c.refuse(p, detail)
			return false
		}
		if c.idempotency, ok = idempotencyKey(c.r.Header[headerIdempotency]); !ok {
			c.refuse(&badIdempotency, "")
			return false
		}
	}
	if err := c.g.backend.Fenced(); err != nil {
		c.partitions = 0 // it has no role
		c.problem(&unavailable, err.Error()+"; the request was not served: ask another node")
		return false
	}
	if c.partitions == 0 {
		c.problem(&unavailable, c.g.waitsForNodes())
		return false
	}
	return true
}

// end counts the request.
func (c *call) end() {
	m := c.g.metrics
	m.requests[c.action][c.outcome].Inc()
	m.duration[c.action].Observe(time.Since(c.began).Seconds())
}

// read answers a GET or HEAD, from here where that may be done at once.
func (c *call) read() {
	x := c.g.begin(0)
	x.key = append(x.key[:0], c.key...)
	x.op = replica.Operation{
		Action: replica.Get, Partition: c.partition, Epoch: c.epoch, Key: x.key,
	}
	c.trace.book(phaseBody)
	if a, ok := c.here(&x.op); ok {
		c.way = wayHere
		c.answer(&a)
	} else {
		c.drive(x)
	}
	x.finish()
}

// here reads from this node's copy, if that may be done at once.
func (c *call) here(op *replica.Operation) (replica.Answer, bool) {
	if c.query.stale {
		return c.g.backend.Stale(op)
	}
	return c.g.backend.Read(op)
}

// write applies a PUT or DELETE, with the body that has arrived.
func (c *call) write(b body) {
	x := c.g.begin(b.reserved)
	x.op = replica.Operation{
		Action: c.action, Partition: c.partition, Key: []byte(c.key), Value: b.bytes, Condition: c.condition, TTL: c.query.ttl,
	}
	if c.idempotency != "" {
		x.op.Idempotency = idempotency(c.idempotency, &x.op)
	}
	x.op.Request, x.op.LowestOpen = c.g.backend.OpenRequest()
	c.trace.book(phaseBody)
	c.drive(x)
	c.g.backend.CloseRequest(x.op.Request)
	x.finish()
}

// drive has the request served wherever it can be, and answers.
func (c *call) drive(x *exchange) {
	now := c.g.backend.Now()
	x.op.Deadline = now.Add(c.query.timeout)
	x.route.Reset(c.partition, c.action, x.op.Deadline)
	x.trace = c.trace
	d := x.run(c.r.Context(), now)
	if n := x.route.Attempts(); n > 1 {
		c.g.metrics.retries.Add(float64(n - 1))
	}
	if x.to == c.g.backend.Self() {
		c.way = wayPrimary
	} else {
		c.way = wayForwarded
	}
	c.conclude(&d)
}

// conclude answers with a verdict.
func (c *call) conclude(d *routing.Decision) {
	if c.r.Context().Err() != nil {
		c.g.metrics.hangUps.Inc()
	}
	switch d.Verdict {
	case routing.Answered:
		c.answer(&d.Answer)
	case routing.OutcomeUnknown:
		c.problem(&outcomeUnknown, c.g.unknownDetail(d.Reason))
	default:
		c.problem(&unavailable, c.unavailableDetail(d.Reason))
	}
}
