package replica

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// owed is the acknowledgement that a follower owes its primary. The primary
// waits for one that says that entries are on disk; every other costs a frame,
// and the primary a wake-up, and says little. So entries that came are
// acknowledged once, when they are synced, and news without entries together
// with the entries that come next.
type owed uint8

const (
	ackNone   owed = iota
	ackLater       // news of what is committed: the primary repeats it if it hears nothing for Timings.Resend
	ackSynced      // entries on their way to the disk: with them, or with the next tick if the disk is slow
	ackNow
)

// newsUnanswered is how long news of a partition without traffic stays
// unanswered: half of what makes the primary send it again.
func (r *replica) newsUnanswered() time.Duration { return r.g.cfg.Timings.Resend / 2 }

// oweAck notes an acknowledgement to be sent.
func (r *replica) oweAck(o owed) {
	if r.owed == ackNone {
		r.owedAt = r.g.now
	}
	r.owed = max(r.owed, o)
	if r.owed == ackNow {
		r.mark()
	}
}

// tickAck sends what has been owed for long enough.
func (r *replica) tickAck() {
	if r.owed == ackSynced || r.owed == ackLater && r.g.now.Sub(r.owedAt) >= r.newsUnanswered() {
		r.oweAck(ackNow)
	}
}

// flushAck acknowledges what is on disk, has been compared, and whose epoch is
// adopted on disk (W2).
func (r *replica) flushAck() {
	if r.owed != ackNow || r.void || r.adoptedDurable < r.conf.Epoch || r.conf.Primary == "" || r.silent() {
		return
	}
	r.owed, r.acked = ackNone, true
	r.send(r.conf.Primary, Message{
		Kind:      Ack,
		Last:      entry.Position{Sequence: min(r.agreed, r.durable), Epoch: r.conf.Epoch},
		Committed: r.committed,
	})
}
