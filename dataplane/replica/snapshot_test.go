package replica

import (
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// A learner follows the log, and a snapshot that was ordered before comes late.
// It has less than the learner has acknowledged, and storage would drop the
// rest: the primary counts on it.
func TestALateSnapshotReplacesNothingAcknowledged(t *testing.T) { // K1, K2, W2
	t.Parallel()
	c, meta := newLearner(t)
	n3 := c.nodes["n3"]
	c.hold = nil
	c.nodes["n2"].stalled = true // so that the next is acknowledged and not committed
	c.do("n1", c.operation("put", Put, "k", "v"))
	for _, d := range c.held {
		c.deliver(d)
	}
	c.settle()
	r := c.nodes["n1"].g.replicas[0]
	if m := r.member("n3"); m.match != 5 || r.committed != 4 {
		t.Fatalf("n3 has acknowledged %d, committed is %d", m.match, r.committed)
	}
	n3.g.replicas[0].applied = 3 // as if it had not heard of the last commit
	if n3.g.BeginsSnapshot(meta) {
		t.Fatal("takes a snapshot that ends before what it acknowledged")
	}
}

// The same, with the acknowledgement still to come: the entries are on their
// way to the disk when the replacement begins.
func TestASnapshotDoesNotOvertakeTheDisk(t *testing.T) { // K1, W2
	t.Parallel()
	c, meta := newLearner(t)
	n3 := c.nodes["n3"]
	n3.stalled = true
	c.hold = nil
	for _, d := range c.held {
		c.deliver(d)
	}
	c.settle()
	if s := c.status("n3"); s.Last != 4 || s.Durable == 4 {
		t.Fatalf("%+v", s)
	}
	if n3.g.BeginsSnapshot(meta) {
		t.Fatal("replaces entries that it is about to acknowledge")
	}
}

// What was written to the log of the copy before is void: that it is synced
// says nothing of the copy that took its place.
func TestWhatWasWrittenBeforeASnapshotIsNotDurableAfterIt(t *testing.T) { // K1, W2
	t.Parallel()
	c, meta := newLearner(t)
	n3 := c.nodes["n3"]
	r := n3.g.replicas[0]
	n3.stalled = true
	e := &entry.Entry{Kind: entry.Marker, Position: entry.Position{Sequence: 5, Epoch: 1}}
	for s := r.log.last().Sequence + 1; s < 5; s++ {
		r.appendEntry(&entry.Entry{Kind: entry.Marker, Position: entry.Position{Sequence: s, Epoch: 1}})
	}
	r.appendEntry(e)
	r.void = true
	c.settle()
	if !n3.g.BeginsSnapshot(meta) {
		t.Fatal("a void copy does not want a snapshot")
	}
	old := n3.ticket
	n3.state = newTestState()
	n3.state.applied = meta.Applied
	n3.g.SnapshotInstalled(c.now, meta, n3.state)
	r.appendEntry(e)
	n3.g.Synced(c.now, old)
	if r.durable >= 5 {
		t.Fatal("an entry is durable that only the copy before had on disk")
	}
}
