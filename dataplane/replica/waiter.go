package replica

import (
	"slices"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// waiter is an operation that is judged, and whose answer waits until the log is
// committed up to a sequence.
type waiter struct {
	sequence uint64
	tag      any
	deadline Time
	// verdict is the answer to an operation for which nothing was logged (W5);
	// nil where the entry at sequence is the operation's own.
	verdict *Answer
}

// wait keeps the waiters ordered by sequence; nearly always the new one is last.
func (r *replica) wait(w waiter) {
	at := len(r.waiters)
	for at > 0 && r.waiters[at-1].sequence > w.sequence {
		at--
	}
	r.waiters = slices.Insert(r.waiters, at, w)
}

// answerUpTo answers the waiters for whom the log is now committed far enough.
func (r *replica) answerUpTo(sequence uint64) {
	n := 0
	for n < len(r.waiters) && r.waiters[n].sequence <= sequence {
		n++
	}
	done := r.waiters[:n]
	r.waiters = r.waiters[n:]
	for _, w := range done {
		if w.verdict != nil {
			r.give(w)
			continue
		}
		e := r.log.at(w.sequence)
		r.answer(Answer{Tag: w.tag, Outcome: Done, Result: entry.Result{Sequence: e.Sequence, Existed: e.Existed}})
	}
	clear(done) // the array may stay, what it points to need not
	if len(r.waiters) == 0 {
		r.waiters = nil
	}
}
