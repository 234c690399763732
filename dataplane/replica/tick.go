package replica

import "slices"

// tick lets time pass for one replica.
func (r *replica) tick() {
	switch r.role {
	case Waiting:
		r.tryTakeOver()
	case Comparing:
		r.compare()
		r.considerChange()
	case Committing, Serving:
		r.unbar()
		r.watchMembers()
		r.recall()
		r.considerChange()
		if r.role == Serving {
			r.checkHashes()
		}
	case Idle:
		r.tryRelease()
		r.tryDrop()
	case Secondary, Learner:
		r.tryRelease()
		r.tickAck()
	}
	r.trim(r.flushed) // what was held may be needed no more
	r.expire()
}

// expire answers operations whose deadline has passed.
func (r *replica) expire() {
	now := r.g.now
	r.queue = slices.DeleteFunc(r.queue, func(op Operation) bool {
		if now < op.Deadline {
			return false
		}
		r.answer(Answer{Tag: op.Tag, Outcome: TimedOut})
		return true
	})
	late := func(w waiter) bool {
		if now < w.deadline {
			return false
		}
		out := Unknown
		if w.verdict != nil {
			out = TimedOut // judged, never logged
		}
		r.answer(Answer{Tag: w.tag, Outcome: out})
		return true
	}
	r.waiters = slices.DeleteFunc(r.waiters, late)
	r.leaseless = slices.DeleteFunc(r.leaseless, late)
}

// flush sends what the replica owes the others: entries as a primary,
// acknowledgements as a follower.
func (r *replica) flush() {
	switch r.role {
	case Secondary, Learner:
		r.flushAck()
	case Comparing, Committing, Serving:
		r.flushMembers()
	case Idle, Waiting:
	}
}
