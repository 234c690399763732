package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/routing"
	"github.com/holdfast-io/holdfast/dataplane/wire"
)

// request is a client's request at the node that received it: what the gateway
// keeps while routing.Request decides where it goes.
type request struct {
	p       *process
	call    *call
	op      replica.Operation
	routing routing.Request
	attempt *attempt // under way, or nil
	waiting bool     // for a newer map
	timer   uint64   // the wake-up that counts
	done    bool
}

// attempt is one operation sent; it comes back as the answer's tag.
type attempt struct {
	q  *request
	to int
}

// receive begins a client's request at this node.
func (p *process) receive(c *call) {
	now := p.now()
	q := &request{p: p, call: c, op: replica.Operation{
		Action: c.action, Partition: c.key.partition, Key: c.key.name, Value: c.value, Condition: c.condition,
		TTL: c.ttl, Idempotency: c.idempotency, Deadline: now.Add(c.timeout),
	}}
	if c.action != replica.Get {
		p.counter++
		q.op.Request = entry.RequestID{Origin: p.self.Store, Boot: p.self.Start.Incarnation, Start: p.self.Start.ID, Counter: p.counter}
		c.request = q.op.Request
		p.n.w.byRequest[c.request] = c
	}
	p.requests = append(p.requests, q)
	q.routing.Reset(q.op.Partition, q.op.Action, q.op.Deadline)
	if c.action == replica.Get && p.n.w.chance(0.85) {
		p.readHere(q)
		return
	}
	q.next()
}

// readHere is the way past the executor: the published view, at a secondary
// whether the key is clean, the value, the view again, then the clock (rules L3
// and R1), with pauses between them.
func (p *process) readHere(q *request) {
	w, id := p.n.w, q.op.Partition
	before := p.views[id]
	switch {
	case before == nil || !before.Serving && before.GrantUntil == 0:
		q.next()
		return
	case !before.Serving && !before.Unapplied.Clean(q.op.Key):
		w.coverage[readDirty]++
		q.next()
		return
	}
	t := p.tables[id]
	p.checked(func() {
		value, version, found, _ := t.Get(q.op.Key)
		if found && version.Expires != 0 {
			q.next() // the primary's replica judges it
			return
		}
		a := replica.Answer{Outcome: replica.Absent, Partition: id, Epoch: before.Epoch, Lineage: before.Lineage}
		if found {
			a.Outcome, a.Value, a.Result.Sequence = replica.Found, value, version.Sequence
		}
		p.checked(func() {
			after, now := p.views[id], p.now()
			switch {
			case p.tables[id] != t || after.Epoch != before.Epoch || !after.MayRead(now) && !after.MayReadClean(now):
				w.coverage[readHereExpired]++
				q.next()
				return
			case after.Serving:
				w.coverage[readHere]++
			default:
				w.coverage[readReplica]++
			}
			p.checkRead(q)
			q.finish(routing.Answered, a)
		})
	})
}

// checked lets the last check of an answer happen at once, mostly: a process may
// stand still between what it found and the clock that it reads.
func (p *process) checked(check func()) {
	w := p.n.w
	switch {
	case !w.quiet && w.chance(w.profile.badMoment):
		w.coverage[faultPause]++
		p.n.pause(w.between(0, 4*time.Second))
		p.later(0, check)
	case w.chance(0.1):
		p.later(w.around(5*time.Millisecond), check)
	default:
		check()
	}
}

// next does what routing says now.
func (q *request) next() {
	if q.done || q.abandoned() {
		return
	}
	q.timer++
	d := q.routing.Next(q.p.now(), q.p.m)
	switch d.Step {
	case routing.Send:
		q.wakeAt(d.Until)
		q.send(d)
	case routing.WaitMap:
		if !q.waiting {
			q.waiting = true
			q.p.waiting = append(q.p.waiting, q)
		}
		q.wakeAt(d.Until)
	case routing.Await:
		q.wakeAt(d.Until)
	case routing.Finish:
		q.finish(d.Verdict, d.Answer)
	}
}

func (q *request) wakeAt(t replica.Time) {
	timer := q.timer
	q.p.later(q.p.n.clock.until(q.p.n.w.now, t), func() {
		if q.timer == timer {
			q.next()
		}
	})
}

// send makes one attempt: here, or by a call over the link to the primary.
func (q *request) send(d routing.Decision) {
	p := q.p
	w := p.n.w
	a := &attempt{q: q, to: p.place(d.To)}
	q.attempt = a
	op := q.op
	op.Epoch, op.LowestOpen, op.Tag = d.Epoch, p.lowestOpen(), a
	w.logf("%s sends %s to %s in epoch %d", p.n.id, q.call, d.To, d.Epoch)
	if d.To == p.n.id {
		p.later(0, func() { p.operate(op) })
		return
	}
	l := p.links[a.to]
	if !l.up {
		q.ended(a, func(now replica.Time) { q.routing.Failed(now, false) })
		return
	}
	body := wire.AppendOperation(nil, &op, op.Deadline.Sub(p.now()))
	other := w.nodes[a.to]
	w.coverage[forwarded]++
	arrive := func() {
		if !other.up || other.boot != l.boot {
			return
		}
		o := other.process
		o.later(0, func() {
			op := w.operation(body, o.now())
			op.Tag = a
			o.operate(op)
		})
	}
	if w.forwarding != nil && w.forwarding(q, arrive) {
		return
	}
	if !w.quiet && w.chance(w.profile.stuck) {
		// The connection breaks, and what it carried is found in a buffer later.
		p.later(w.between(0, 50*time.Millisecond), func() { p.broken(a.to) })
		w.after(w.between(0, 4*time.Second), arrive)
		return
	}
	w.net.once(p.n.index, a.to, arrive)
}

func (p *process) operate(op replica.Operation) {
	p.lane(op.Partition).input(func(g *replica.Group, now replica.Time) { g.Operate(now, op) })
}

// answer settles what the group answered, now or, where the executor is slow,
// a little later, and takes it to the node that asked.
func (p *process) answer(a replica.Answer) {
	if a.Leased {
		p.checked(func() { p.settled(a.Settle(p.now())) })
		return
	}
	p.settled(a)
}

func (p *process) settled(a replica.Answer) {
	w := p.n.w
	t := a.Tag.(*attempt)
	w.coverage.outcome(a.Outcome)
	w.truth[a.Partition].answered(t.q, a)
	if t.q.p == p {
		p.later(0, func() { t.q.answered(t, a) })
		return
	}
	q := t.q
	a = w.forwardedAnswer(a)
	w.net.once(p.n.index, q.p.n.index, func() {
		q.p.later(0, func() {
			if l := q.p.links[t.to]; l.up && l.boot == p.n.boot {
				q.answered(t, a)
			}
		})
	})
}

func (q *request) answered(t *attempt, a replica.Answer) {
	q.ended(t, func(now replica.Time) { q.routing.Answered(now, a) })
}

// failed ends the attempt without an answer.
func (q *request) failed(maybeSent bool) {
	q.ended(q.attempt, func(now replica.Time) { q.routing.Failed(now, maybeSent) })
}

func (q *request) ended(t *attempt, tell func(now replica.Time)) {
	if q.done || t == nil || q.attempt != t {
		return
	}
	q.attempt = nil
	tell(q.p.now())
	q.next()
}

// calls returns the requests with an attempt under way over a link.
func (p *process) calls(to int) []*request {
	var out []*request
	for _, q := range p.requests {
		if q.attempt != nil && q.attempt.to == to {
			out = append(out, q)
		}
	}
	return out
}

// lowestOpen is the lowest of this boot's counters that is still open (Q3).
func (p *process) lowestOpen() uint64 {
	lowest := p.counter + 1
	for _, q := range p.requests {
		if c := q.op.Request.Counter; c != 0 {
			lowest = min(lowest, c)
		}
	}
	return lowest
}

// mapChanged lets the requests look again that wait for a newer map.
func (p *process) mapChanged() {
	waiting := p.waiting
	p.waiting = nil
	for _, q := range waiting {
		q.waiting = false
		q.next()
	}
}

// finish answers the client; the request's ID is closed.
func (q *request) finish(v routing.Verdict, a replica.Answer) {
	q.done = true
	q.timer++
	p := q.p
	if i := slices.Index(p.requests, q); i >= 0 {
		p.requests = slices.Delete(p.requests, i, i+1)
	}
	w := p.n.w
	w.finished(q, v, a)
	w.after(w.between(100*time.Microsecond, time.Millisecond), func() { q.call.returns(v, a) })
}

// lostNode tells the client that its connection broke: it knows nothing.
func (q *request) lostNode() {
	q.done = true
	q.p.n.w.coverage[clientLost]++
}
