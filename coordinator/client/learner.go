package client

import (
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
)

// failedFirst and failedMost bound for how long a learner that did not take a write
// gets none: it would hold each of them up.
const failedFirst, failedMost = 250 * time.Millisecond, 10 * time.Second

// learner is a learner of a partition as its primary sees it. The leadership's lock
// guards it.
//
// It gets no writes until it asks for its copy: a node that is gone, or does not
// know of its part yet, would only hold them up. From then on every new write goes
// to it, and the copy is opened when those from before have ended. So each
// acknowledged write is either in what the primary has when the copy begins, or was
// sent to the learner.
type learner struct {
	node *Node
	// since names the copy: every write of that sequence or a higher one goes to the
	// learner. 0: it has not asked, or it failed, and gets no writes.
	since    uint64
	open     bool // no write from before since is open any more
	ready    bool // it has said that its copy is whole
	proposed bool // a change that adds it was proposed in this epoch: it may be in sync

	failures int
	retry    time.Time // not asked for anything before
}

// fail makes the learner's copy void. It begins anew when it asks again.
func (l *learner) fail(now time.Time) {
	l.retry = now.Add(min(failedFirst<<min(l.failures, 16), failedMost))
	l.failures++
	l.since, l.open, l.ready = 0, false, false
}

// asked takes in what a learner says of its copy. It returns the sequence that names
// the copy, if that is open and the learner does not know of it yet; ready: the
// learner can be proposed.
func (l *leadership) asked(now time.Time, from protocol.NodeStart, hint protocol.Hint) (sequence uint64, open, ready bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.mu.learners[from.Node]
	if l.mu.over || one == nil || protocol.StartOf(one.node) != from || hint.Epoch != l.mu.p.Epoch || now.Before(one.retry) {
		return 0, false, false
	}
	if one.since == 0 {
		if one.since = l.next(); one.since == 0 {
			return 0, false, false // a new epoch is on its way
		}
		one.open = l.endedBefore(one.since)
	}
	if !one.open {
		return 0, false, false
	}
	if hint.Sequence == one.since {
		one.ready = one.ready || hint.Kind == protocol.CopyReady
		return 0, false, one.ready
	}
	return one.since, true, false
}

// endedBefore reports whether every write before that sequence has ended; the caller
// holds mu.
func (l *leadership) endedBefore(sequence uint64) bool {
	for w := range l.mu.open {
		if w.Sequence < sequence {
			return false
		}
	}
	return true
}

// openCopies opens the copies that waited for writes to end, and returns what to tell
// whom; the caller holds mu.
func (l *leadership) openCopies() (out map[protocol.NodeStart][]protocol.Hint) {
	for _, one := range l.mu.learners {
		if one.since == 0 || one.open || !l.endedBefore(one.since) {
			continue
		}
		one.open = true
		if out == nil {
			out = make(map[protocol.NodeStart][]protocol.Hint)
		}
		out[protocol.StartOf(one.node)] = []protocol.Hint{{
			Kind: protocol.CopyOpened, Partition: l.id, Epoch: l.mu.p.Epoch, Sequence: one.since,
		}}
	}
	return out
}
