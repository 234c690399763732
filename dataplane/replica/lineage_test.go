package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// recoverUnsafely promotes the node's copy under a new lineage.
func (c *cluster) recoverUnsafely(id partition.NodeID, lineage uint32) {
	c.t.Helper()
	c.configure(func(conf *partition.Configuration) {
		all := append(append([]partition.Replica(nil), conf.Replicas...), conf.Learners...)
		r, _ := partition.Find(all, id)
		for _, other := range all {
			if other.Node != id && !conf.IsLearner(other.Node) {
				conf.Learners = append(conf.Learners, other)
			}
		}
		conf.Lineage, conf.Primary, conf.Replicas = lineage, id, []partition.Replica{r}
	})
	c.settle()
}

// A copy of an old lineage has entries that the new one never had. What is on
// disk must say so: a restart must not make it good.
func TestACopyOfAnOldLineageIsVoidAfterARestart(t *testing.T) { // lineages
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.accept = false
	c.recoverUnsafely("n2", 8)
	c.pass(2 * time.Second)
	c.kill("n3")
	c.restart("n3")
	c.pass(2 * time.Second)
	if !c.status("n3").Void {
		t.Fatal("a copy of the lineage before is taken for good after a restart")
	}
	if m := c.nodes["n2"].g.replicas[0].member("n3"); m.match != 0 {
		t.Fatalf("n2 counts %d entries of n3's old copy", m.match)
	}
}

func TestASecondUnsafeRecoveryMayChooseAVoidCopy(t *testing.T) { // lineages
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.accept = false
	c.recoverUnsafely("n2", 8)
	c.pass(time.Second)
	if !c.status("n3").Void {
		t.Fatal("n3 is not void")
	}
	c.kill("n2")
	c.recoverUnsafely("n3", 9)
	c.pass(2 * time.Second)
	if s := c.status("n3"); s.Void || s.Role != Committing || s.Lineage != 9 {
		t.Fatalf("%+v", s)
	}
}

// A snapshot of the old lineage is installed when the map has a new one.
func TestASnapshotOfAnOldLineageDoesNotMakeACopyGood(t *testing.T) { // K1, lineage
	t.Parallel()
	c, meta := newLearner(t)
	n3 := c.nodes["n3"]
	if !n3.g.BeginsSnapshot(meta) {
		t.Fatal("the learner does not want it")
	}
	c.recoverUnsafely("n2", 8)
	n3.state = newTestState()
	n3.state.applied = meta.Applied
	n3.g.SnapshotInstalled(c.now, meta, n3.state)
	c.settle()
	if !c.status("n3").Void {
		t.Fatal("the snapshot of lineage 7 counts for lineage 8")
	}
	meta.Lineage, meta.Applied.Sequence = 8, meta.Applied.Sequence+1
	if !n3.g.BeginsSnapshot(meta) {
		t.Fatal("does not want one of the new lineage")
	}
	n3.g.SnapshotInstalled(c.now, meta, n3.state)
	c.settle()
	last := n3.disk[len(n3.disk)-1]
	if s := c.status("n3"); s.Void || s.Lineage != 8 || last.Lineage != 8 || last.Adopted != s.Epoch {
		t.Fatalf("%+v, on disk %+v", s, last)
	}
}

// While a copy's files are being replaced, an operator makes it primary.
func TestNoTakeOverWhileTheCopyIsReplaced(t *testing.T) { // K1, T1
	t.Parallel()
	c, meta := newLearner(t)
	n3 := c.nodes["n3"]
	if !n3.g.BeginsSnapshot(meta) {
		t.Fatal("the learner does not want it")
	}
	if n3.g.WantsSnapshot(meta) {
		t.Fatal("wants another while it is being replaced")
	}
	c.kill("n1")
	c.accept = false
	c.recoverUnsafely("n3", 8)
	c.pass(2 * time.Second)
	if s := c.status("n3"); s.Role != Waiting {
		t.Fatalf("%v writes to a log that is about to go", s.Role)
	}
	n3.state = newTestState()
	n3.state.applied = meta.Applied
	n3.g.SnapshotInstalled(c.now, meta, n3.state)
	c.pass(time.Second)
	if s := c.status("n3"); s.Void || s.Lineage != 8 || s.Role != Committing || s.Last != meta.Applied.Sequence+1 {
		t.Fatalf("%+v", s)
	}
}

// newLearner returns a cluster whose third node is a learner that lacks
// entries, and the snapshot that would bring them.
func newLearner(t *testing.T) (*cluster, SnapshotMeta) {
	t.Helper()
	c := newCluster(t, 3)
	c.serve("n1")
	c.accept = false
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.To == "n3" && e.Message.Kind == Append }
	for _, k := range []string{"a", "b", "c"} {
		c.do("n1", c.operation(k, Put, k, k))
		c.want(k, Done)
	}
	return c, SnapshotMeta{Epoch: 2, Lineage: 7, ID: 1, Applied: entry.Position{Sequence: 4, Epoch: 1}}
}
