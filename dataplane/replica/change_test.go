package replica

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func TestChangeIsRepeatedByteForByteUntilTheEpochRises(t *testing.T) { // C1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.accept = false
	c.kill("n3")
	c.pass(5 * time.Second)
	if len(c.asked) < 10 {
		t.Fatalf("asked %d times", len(c.asked))
	}
	for _, p := range c.asked {
		if !reflect.DeepEqual(p, c.asked[0]) {
			t.Fatalf("%+v differs from %+v", p, c.asked[0])
		}
	}
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.wantOpen("put") // old and new together: n3 is still needed (C2)
	c.accept = true
	c.pass(time.Second)
	c.want("put", Done)
}

func TestOldAndNewTogetherWhileAddingAReplica(t *testing.T) { // C2, L7
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	c.accept = false
	c.pass(time.Second)
	if len(c.asked) == 0 || !slices.Equal(partition.Nodes(c.asked[0].Replicas), []partition.NodeID{"n1", "n2", "n3"}) {
		t.Fatalf("asked %+v", c.asked)
	}
	c.nodes["n3"].stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.wantOpen("put")
	c.nodes["n3"].stalled = false
	c.settle()
	c.want("put", Done)
	c.cut[[2]partition.NodeID{"n3", "n1"}] = true
	c.pass(1100 * time.Millisecond)
	if c.nodes["n1"].view.MayRead(c.now) {
		t.Fatal("reads without the lease of the replica that is being added")
	}
}

func TestMinInSyncIsCountedOverBoth(t *testing.T) { // C2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.accept = false
	c.kill("n2")
	c.kill("n3")
	c.pass(time.Second)
	last := c.status("n1").Last
	c.do("n1", c.operation("put", Put, "k", "v"))
	if got := c.status("n1").Last; got != last {
		t.Fatal("logged a write with one member in both configurations")
	}
}

func TestTheWayOutOfAddingADeadReplica(t *testing.T) { // C1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	c.accept = false
	c.pass(500 * time.Millisecond)
	c.kill("n3")
	c.pass(2 * time.Second)
	raise := slices.IndexFunc(c.asked, func(p partition.Change) bool { return len(p.Replicas) == 2 })
	if raise < 0 {
		t.Fatalf("never asks for a change that only raises the epoch: %+v", c.asked)
	}
	c.propose(c.asked[raise])
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
}

func TestRemovalForAConnectionAnEntryOrABeacon(t *testing.T) { // C3
	t.Parallel()
	for name, harm := range map[string]func(*cluster){
		"connection": func(c *cluster) { c.kill("n3") },
		"entry":      func(c *cluster) { c.nodes["n3"].stalled = true },
		"beacon": func(c *cluster) {
			c.hold = func(from partition.NodeID, e Envelope) bool {
				return from == "n3" && e.Message.Kind == BeaconReply
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 3)
			c.serve("n1")
			harm(c)
			c.do("n1", c.operation("put", Put, "k", "v"))
			c.pass(400 * time.Millisecond)
			if len(c.asked) > 0 {
				t.Fatal("asks for a removal at once")
			}
			c.pass(1500 * time.Millisecond)
			c.want("put", Done)
			if got := len(c.m.Partitions[0].Replicas); name != "entry" && got != 2 {
				t.Fatalf("%d in sync, want 2", got)
			}
		})
	}
}

func TestAPauseAccusesNobody(t *testing.T) { // C3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.now = c.now.Add(5 * time.Second) // the whole cluster stood still
	c.pass(600 * time.Millisecond)
	if len(c.asked) > 0 {
		t.Fatalf("asked %+v", c.asked)
	}
}

func TestLearnerCatchesUpFromTheLog(t *testing.T) { // K1, K2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.kill("n3")
	c.pass(time.Second)
	for _, k := range []string{"a", "b", "c"} {
		c.do("n1", c.operation(k, Put, k, k))
		c.want(k, Done)
	}
	c.restart("n3")
	c.pass(2 * time.Second)
	if !c.m.Partitions[0].InSync("n3") {
		t.Fatalf("not in sync again: %+v", c.status("n1"))
	}
	if len(c.orders) > 0 {
		t.Fatal("took a snapshot where the log reaches back")
	}
	if got, want := c.status("n3").Durable, c.status("n1").Last; got != want {
		t.Fatalf("n3 has %d of %d", got, want)
	}
}

func TestLearnerBehindTheLogGetsASnapshot(t *testing.T) { // K1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.kill("n3")
	c.pass(time.Second)
	for _, k := range []string{"a", "b", "c"} {
		c.do("n1", c.operation(k, Put, k, k))
	}
	r := c.nodes["n1"].g.replicas[0]
	r.g.cfg.LogRetention, r.g.cfg.AwayRetention = 1, 1
	r.members = slices.DeleteFunc(r.members, func(m *member) bool { return m.node == "n3" })
	c.nodes["n1"].g.Trim(0, 4)
	if r.log.base.Sequence != 4 {
		t.Fatalf("base %d", r.log.base.Sequence)
	}
	c.nodes["n3"].disk = nil
	c.restart("n3")
	c.pass(time.Second)
	if len(c.orders) != 1 {
		t.Fatalf("orders %+v", c.orders)
	}
	order := c.orders[0]
	meta := SnapshotMeta{Epoch: order.Epoch, Lineage: 7, ID: order.ID, Applied: c.nodes["n1"].state.applied}
	n3 := c.nodes["n3"]
	if !n3.g.WantsSnapshot(meta) {
		t.Fatal("the learner does not want it")
	}
	n3.state = newTestState()
	n3.state.applied = meta.Applied
	n3.g.SnapshotInstalled(c.now, meta, n3.state)
	c.nodes["n1"].g.SnapshotSent(c.now, order, nil)
	c.pass(2 * time.Second)
	if !c.m.Partitions[0].InSync("n3") {
		t.Fatalf("not in sync: %+v", c.status("n1"))
	}
}

// A learner that starts again is another member, and the stream to its earlier boot
// may still be under way: an order with the same ID could go on where that one was,
// and mix two states.
func TestNoOrderOfASnapshotHasTheIDOfAnother(t *testing.T) { // K1
	t.Parallel()
	c := withoutN3(t)
	c.do("n1", c.operation("a", Put, "a", "v"))
	c.accept = false
	r := c.nodes["n1"].g.replicas[0]
	m := r.member("n3")
	r.orderSnapshot(m)
	first := SnapshotOrder{Partition: 0, To: "n3", Epoch: r.conf.Epoch, ID: m.snapshots}
	m.session = c.nodes["n1"].g.sessions["n3"].Start
	c.restart("n3")
	again := r.member("n3")
	if again == m {
		t.Fatal("the member was not made anew")
	}
	again.phase = unknown
	r.orderSnapshot(again)
	if again.snapshots == first.ID {
		t.Errorf("both orders have the ID %d", first.ID)
	}
	r.g.SnapshotSent(c.now, first, nil)
	if again.phase != snapshotting {
		t.Error("the end of the earlier stream ends the one under way")
	}
}

// What is written while a replica is away stays in memory for it, flushed or not,
// and goes once it is in sync again.
func TestEntriesAreKeptForAReplicaThatIsAway(t *testing.T) { // K1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	r := c.nodes["n1"].g.replicas[0]
	r.g.cfg.LogRetention, r.g.cfg.AwayRetention = 1, 1<<20
	c.kill("n3")
	c.pass(time.Second)
	before := c.status("n1").Last
	for i := range 50 {
		c.do("n1", c.operation(fmt.Sprint(i), Put, fmt.Sprint(i), "v"))
	}
	r.members = slices.DeleteFunc(r.members, func(m *member) bool { return m.node == "n3" })
	last := c.status("n1").Last
	c.nodes["n1"].g.Trim(0, last)
	if r.log.base.Sequence > before {
		t.Fatalf("what n3 lacks is not in memory: base %d, it has %d", r.log.base.Sequence, before)
	}
	c.restart("n3")
	c.pass(time.Second)
	if !c.m.Partitions[0].InSync("n3") || len(c.orders) > 0 {
		t.Fatalf("not in sync by the log: %+v, ordered %+v", c.status("n1"), c.orders)
	}
	c.nodes["n1"].g.Trim(0, last)
	if r.log.base.Sequence < last {
		t.Errorf("kept though nobody is away: base %d of %d", r.log.base.Sequence, last)
	}
}

func TestIncarnationsOfANewStoreStartAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	for range 3 {
		c.kill("n3")
		c.restart("n3")
		c.pass(2 * time.Second)
	}
	c.kill("n3")
	n3 := c.nodes["n3"]
	n3.disk, n3.self.Store, n3.self.Start = nil, 999, partition.Start{Incarnation: 0, ID: 999}
	c.m.Nodes = slices.Clone(c.m.Nodes)
	c.m.Nodes[2].Store, c.m.Nodes[2].Incarnation, c.m.Nodes[2].StartID = 999, 0, 999
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	conf := &c.m.Partitions[0]
	conf.Learners = []partition.Replica{{Node: "n3", Store: 999}}
	c.restart("n3")
	c.pass(30 * time.Second)
	if !c.m.Partitions[0].InSync("n3") {
		t.Fatalf("a wiped node is never repaired: %+v", c.m.Partitions[0])
	}
}

func TestEligibleCopyTakesNoSnapshot(t *testing.T) { // C5
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.accept = false
	c.configure(func(conf *partition.Configuration) {
		conf.Eligible = []partition.Replica{conf.Replicas[2]}
		conf.Replicas = conf.Replicas[:1]
	})
	c.settle()
	if c.nodes["n3"].g.WantsSnapshot(SnapshotMeta{Lineage: 7, Applied: entry.Position{Sequence: 100, Epoch: 1}}) {
		t.Fatal("would replace a copy that the map counts on")
	}
}

func TestUnsafeRecoveryVoidsOtherCopies(t *testing.T) { // lineages
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.accept = false
	c.configure(func(conf *partition.Configuration) {
		conf.Lineage, conf.Primary = 8, "n2"
		conf.Replicas = conf.Replicas[1:2]
	})
	c.pass(2 * time.Second)
	if s := c.status("n3"); !s.Void || s.Lineage != 7 {
		t.Fatalf("%+v", s)
	}
	if s := c.status("n2"); s.Void || s.Role != Committing {
		t.Fatalf("%+v", s)
	}
	if len(c.orders) == 0 {
		t.Fatal("no snapshot for the void copies")
	}
}

func TestRemovedTwiceInAMinuteWaits(t *testing.T) { // K3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	for range 2 {
		c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
		c.settle()
		if c.m.Partitions[0].InSync("n3") {
			t.Fatal("added in no time")
		}
		c.pass(time.Second)
	}
	if c.m.Partitions[0].InSync("n3") {
		t.Fatal("added again at once after a second removal")
	}
	c.pass(5 * time.Second)
	if !c.m.Partitions[0].InSync("n3") {
		t.Fatal("never added again")
	}
}

// A node that was started again is no flapping one: it was away for long enough.
func TestARestartEndsTheBackOff(t *testing.T) { // K3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	for range 4 { // from now on it would wait 20 s
		c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
		c.pass(time.Second)
	}
	if c.m.Partitions[0].InSync("n3") {
		t.Fatal("added again at once")
	}
	c.restart("n3")
	c.pass(4 * time.Second)
	if !c.m.Partitions[0].InSync("n3") {
		t.Fatal("not added again, 4 s after its restart")
	}
}
