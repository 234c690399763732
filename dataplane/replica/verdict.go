package replica

import "slices"

// A verdict is the answer to an operation that logs nothing: a condition that
// does not hold, the delete of a key without a value, a read of a value's end
// (W5). It is a read as of the moment of its judgement, in the order of the log.
// It is judged once: what is logged for the key later does not change it.
//
// Two things must hold before it is given. The entries that it was judged on are
// committed, by this primary, in the epoch of the judgement. And the lease holds
// after that: then no other primary has served up to this moment, so every write
// acknowledged before the operation came was in this log when it was judged.
//
// A verdict does not outlive its epoch, even if the primary stays (C6). The
// answer names the epoch, and so proves that no attempt of the same request in an
// earlier epoch is logged (Q4). A verdict of the epoch before does not prove that:
// another attempt may have been logged after the judgement.

// judged gives an operation's verdict, once the log is committed up to the
// sequence, the newest entry of the operation's key at the judgement.
func (r *replica) judged(op *Operation, sequence uint64, verdict Answer) {
	w := waiter{sequence: sequence, tag: op.Tag, deadline: op.Deadline, verdict: &verdict}
	if sequence > r.committed {
		r.wait(w)
		return
	}
	r.give(w)
}

// give gives a verdict under the lease, or keeps it until there is one.
func (r *replica) give(w waiter) {
	if !r.mayRead() {
		r.leaseless = append(r.leaseless, w)
		return
	}
	r.answerLeased(*w.verdict)
}

// giveVerdicts gives the verdicts that waited for the lease.
func (r *replica) giveVerdicts() {
	waiting := r.leaseless
	r.leaseless = nil
	for _, w := range waiting {
		r.give(w)
	}
}

// dropVerdicts refuses, when the epoch changes or the replica is fenced, the operations whose verdicts are
// not given yet. Nothing was logged for them: whoever sent them may try again.
func (r *replica) dropVerdicts() {
	dropped := func(w waiter) bool {
		if w.verdict == nil {
			return false
		}
		r.answer(Answer{Tag: w.tag, Outcome: NotPrimary, Configuration: r.conf})
		return true
	}
	r.waiters = slices.DeleteFunc(r.waiters, dropped)
	r.leaseless = slices.DeleteFunc(r.leaseless, dropped)
}

// answerLeased gives an answer that rests on the lease (L3, W5).
func (r *replica) answerLeased(a Answer) {
	until, alone := r.lease()
	a.Leased, a.LeaseUntil = !alone, until
	r.answer(a)
}
