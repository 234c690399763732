package replica

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// operate takes an operation, or puts it into the queue until this replica is
// ready for it: the primary, in the operation's epoch, with its marker
// committed.
func (r *replica) operate(op Operation) {
	switch {
	case r.g.now >= op.Deadline:
		r.answer(Answer{Tag: op.Tag, Outcome: TimedOut})
	case r.conf == nil || op.Epoch > r.conf.Epoch || !r.g.named:
		r.queue = append(r.queue, op)
	case op.Epoch < r.conf.Epoch || r.role < Waiting:
		r.answer(Answer{Tag: op.Tag, Outcome: NotPrimary, Configuration: r.conf})
	case op.Action == Get:
		r.read(op)
	default:
		r.write(op)
	}
}

// retryQueue tries again what waits; what still cannot be done queues again.
func (r *replica) retryQueue() {
	if len(r.queue) == 0 {
		return
	}
	queue := r.queue
	r.queue = nil
	for _, op := range queue {
		r.operate(op)
	}
}

// read answers under the lease. Until the marker is committed it answers only
// keys without an entry beyond committed (T3).
func (r *replica) read(op Operation) {
	if r.role < Committing || !r.mayRead() || r.role == Committing && r.prepared[string(op.Key)] != nil {
		r.queue = append(r.queue, op)
		return
	}
	value, version, ok, err := r.state.Get(op.Key)
	if err == nil && ok && r.expired(version) {
		r.readExpired(op)
		return
	}
	a := Answer{Tag: op.Tag, Outcome: Found, Value: value, Result: entry.Result{Sequence: version.Sequence, Existed: ok}}
	switch {
	case err != nil:
		r.answer(Answer{Tag: op.Tag, Outcome: Failed})
		return
	case !ok:
		a.Outcome = Absent
	}
	r.answerLeased(a)
}

// readExpired answers a read of a key whose committed value has expired. What it
// answers is not committed yet: the value's end, or a newer entry of the key (W5).
func (r *replica) readExpired(op Operation) {
	e := r.prepared[string(op.Key)]
	if e == nil || e.Kind == entry.Put && r.expired(entry.Version{Sequence: e.Sequence, Expires: e.Expires}) {
		if r.role != Serving || r.full() {
			r.queue = append(r.queue, op)
			return
		}
		e = r.remove(op.Key)
	}
	a := Answer{Tag: op.Tag, Outcome: Absent}
	if e.Kind == entry.Put {
		a.Outcome, a.Value, a.Result = Found, e.Value, entry.Result{Sequence: e.Sequence, Existed: true}
	}
	r.judged(&op, e.Sequence, a)
}

// full reports whether nothing that is logged now would be committed soon.
func (r *replica) full() bool {
	return r.inBoth() < r.g.cfg.MinInSync || r.log.bytes(r.committed, r.log.last().Sequence) > r.g.cfg.MaxUnackedBytes
}

// write judges a write against the newest state, prepared entries included, and
// logs its effect (W1). The same request again joins the first (Q1, Q3).
func (r *replica) write(op Operation) {
	if r.role < Serving {
		r.queue = append(r.queue, op)
		return
	}
	if !op.Request.IsZero() {
		if e := r.requests[op.Request]; e != nil {
			r.wait(waiter{sequence: e.Sequence, tag: op.Tag, deadline: op.Deadline})
			return
		}
		switch result, applied, forgotten := r.state.Request(op.Request); {
		case applied:
			r.answer(Answer{Tag: op.Tag, Outcome: Done, Result: result})
			return
		case forgotten:
			r.answer(Answer{Tag: op.Tag, Outcome: Forgotten})
			return
		}
	}
	if r.repeated(&op) {
		return
	}
	current, ok, err := r.newest(op.Key)
	if err != nil {
		r.answer(Answer{Tag: op.Tag, Outcome: Failed})
		return
	}
	if ok && r.expired(current) {
		if r.full() {
			r.queue = append(r.queue, op)
			return
		}
		current, ok = entry.Version{Sequence: r.remove(op.Key).Sequence}, false
	}
	if !op.Condition.holds(current, ok, r.lineage) {
		a := Answer{Tag: op.Tag, Outcome: PreconditionFailed}
		if ok {
			a.Result = entry.Result{Sequence: current.Sequence, Existed: true}
		}
		r.judged(&op, current.Sequence, a)
		return
	}
	if op.Action == Delete && !ok && op.Idempotency == nil {
		r.judged(&op, current.Sequence, Answer{Tag: op.Tag, Outcome: Done}) // there is nothing to delete
		return
	}
	if outcome := r.short().refuses(op.Action); outcome != 0 {
		r.answer(Answer{Tag: op.Tag, Outcome: outcome})
		return
	}
	if r.full() {
		r.queue = append(r.queue, op) // nothing would commit it now, so nothing is logged
		return
	}
	e := &entry.Entry{
		Kind: entry.Put, Existed: ok, Request: op.Request, LowestOpen: op.LowestOpen,
		Key: op.Key, Value: op.Value, Idempotency: op.Idempotency,
	}
	switch {
	case op.Action == Delete:
		e.Kind, e.Value = entry.Delete, nil
	case op.TTL > 0:
		e.Expires = r.loggedNow() + entry.LoggedTime(op.TTL/time.Millisecond)
	}
	r.logEntry(e)
	r.wait(waiter{sequence: e.Sequence, tag: op.Tag, deadline: op.Deadline})
}

// logEntry gives an entry of this primary its place and time, and logs it.
func (r *replica) logEntry(e *entry.Entry) {
	e.Sequence, e.Epoch, e.Logged = r.log.last().Sequence+1, r.conf.Epoch, r.logged.take(r.g.now)
	r.appendEntry(e)
	r.remember(e)
	r.mark()
}

// newest returns the newest version of a key, prepared entries included. Where
// there is no value the sequence is that of the prepared entry that says so, or
// zero.
func (r *replica) newest(key []byte) (v entry.Version, ok bool, err error) {
	if e := r.prepared[string(key)]; e != nil {
		return entry.Version{Sequence: e.Sequence, Expires: e.Expires}, e.Kind == entry.Put, nil
	}
	return r.state.Lookup(key)
}

// remember indexes an entry beyond committed.
func (r *replica) remember(e *entry.Entry) {
	if e.Kind != entry.Marker {
		r.prepared[string(e.Key)] = e
	}
	if !e.Request.IsZero() {
		r.requests[e.Request] = e
	}
	r.rememberKeyed(e)
}

// forgetUpTo drops from the index what is now committed and applied.
func (r *replica) forgetUpTo(sequence uint64) {
	for s := sequence; len(r.prepared)+len(r.requests)+len(r.keyed) > 0; s-- {
		e := r.log.at(s)
		if e == nil || s <= r.indexed {
			break
		}
		if r.prepared[string(e.Key)] == e {
			delete(r.prepared, string(e.Key))
		}
		if r.requests[e.Request] == e {
			delete(r.requests, e.Request)
		}
		r.forgetKeyed(e)
	}
	r.indexed = sequence
}

// holds judges a condition against a key's newest version.
func (c *Condition) holds(v entry.Version, ok bool, lineage uint32) bool {
	matches := func(tags []entry.ETag) bool {
		return ok && slices.Contains(tags, entry.ETag{Lineage: lineage, Sequence: v.Sequence})
	}
	switch {
	case c.IfMatchAny && !ok, len(c.IfMatch) > 0 && !matches(c.IfMatch):
		return false
	case c.IfNoneMatchStar && ok, len(c.IfNoneMatch) > 0 && matches(c.IfNoneMatch):
		return false
	}
	return true
}
