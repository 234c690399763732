package replica

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// move has the map say that the partition moves, in the epoch that it is in.
func (c *cluster) move(v partition.Move) {
	c.t.Helper()
	next := *c.m
	next.Version++
	next.Moves = nil
	if v != (partition.Move{}) {
		v.Since = next.Version
		next.Moves = []partition.Move{v}
	}
	c.m = &next
	for _, n := range c.sorted() {
		if !n.down && !n.mapless {
			n.g.SetMap(c.now, c.m)
		}
	}
	c.settle()
}

// The whole hand-over is messages: nobody waits for a lease, a promise or a grant
// to run out.
func TestHandOverTakesNoTime(t *testing.T) { // L4
	t.Parallel()
	c := granting(t, 3)
	began := c.now
	c.move(partition.Move{Primary: "n2"})
	c.pass(100 * time.Millisecond)
	if got := c.m.Partitions[0].Primary; got != "n2" {
		t.Fatalf("%s is primary after %v", got, c.now.Sub(began))
	}
	if role := c.status("n2").Role; role != Serving {
		t.Fatalf("n2 is %v after %v", role, c.now.Sub(began))
	}
	c.do("n2", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
	c.move(partition.Move{})
	c.pass(2 * time.Second)
	if !c.mayRead("n1") || !c.mayRead("n3") {
		t.Error("the new primary grants no reads")
	}
}

// A replica that has just been added is primary only once it knows that it was: it
// would wait for what was granted meanwhile.
func TestTheHeirKnowsThatItIsInSync(t *testing.T) { // L4, L6
	t.Parallel()
	c := newCluster(t, 5)
	c.serve("n1")
	c.learn("n4")
	n4 := c.nodes["n4"]
	n4.mapless = true
	learns := c.m.Partitions[0].Epoch
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.To == "n4" && c.m.Partitions[0].Epoch > learns }
	c.move(partition.Move{From: "n1", To: "n4"})
	c.pass(300 * time.Millisecond)
	if p := c.m.Partitions[0]; !p.InSync("n4") || p.Primary != "n1" {
		t.Fatalf("the partition is at %+v", p)
	}
	c.hold, n4.mapless = nil, false
	c.pass(200 * time.Millisecond)
	if p := c.m.Partitions[0]; p.Primary != "n4" || c.status("n4").Role != Serving {
		t.Fatalf("n4 is %v at %+v", c.status("n4").Role, p)
	}
	c.do("n4", c.operation("put at once", Put, "k", "v"))
	c.want("put at once", Done)
}

// No commit waits for a grant of the secondary that leaves to run out.
func TestWhoMovesAwayIsTakenOutWithoutAPause(t *testing.T) { // C3, L6
	t.Parallel()
	c := four(t)
	c.pass(time.Second)
	if !c.mayRead("n2") {
		t.Fatal("n2 has no grant")
	}
	c.move(partition.Move{From: "n2", To: "n4"})
	c.pass(50 * time.Millisecond)
	if p := c.m.Partitions[0]; p.InSync("n2") {
		t.Fatalf("it is still at %+v", p)
	}
	c.do("n1", c.operation("put at once", Put, "k", "v"))
	c.want("put at once", Done)
}

func TestHandOverWaitsForGrants(t *testing.T) { // L4, L6
	t.Parallel()
	c := granting(t, 3)
	c.cut[[2]partition.NodeID{"n3", "n1"}] = true
	asked := len(c.asked)
	c.move(partition.Move{Primary: "n2"})
	if len(c.asked) > asked {
		t.Fatal("asked for while n3 may read")
	}
	c.do("n1", c.operation("get", Get, "k", ""))
	c.cut = map[[2]partition.NodeID]bool{}
	c.pass(2 * time.Second)
	if got := c.m.Partitions[0].Primary; got != "n2" {
		t.Fatalf("%s is primary", got)
	}
}

func TestAMoveThatIsTakenBackLeavesThePrimary(t *testing.T) {
	t.Parallel()
	c := granting(t, 3)
	c.cut[[2]partition.NodeID{"n3", "n1"}] = true
	c.move(partition.Move{Primary: "n2"})
	c.move(partition.Move{})
	c.cut = map[[2]partition.NodeID]bool{}
	c.pass(2 * time.Second)
	if got := c.m.Partitions[0].Primary; got != "n1" {
		t.Fatalf("%s is primary", got)
	}
	if !c.mayRead("n2") {
		t.Error("n1 grants no reads any more")
	}
}

func TestThePrimaryThatMovesHandsOverToWhoComes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 4)
	c.serve("n1")
	c.learn("n4")
	c.move(partition.Move{From: "n1", To: "n4"})
	c.pass(5 * time.Second)
	if p := c.m.Partitions[0]; p.Primary != "n4" || len(p.Replicas) != 3 || !p.IsLearner("n1") {
		t.Fatalf("the partition is at %+v", p)
	}
}

// learn makes a node a learner.
func (c *cluster) learn(node partition.NodeID) {
	conf := c.m.Partitions[0]
	conf.Epoch++
	conf.Learners = append(slices.Clone(conf.Learners), partition.Replica{Node: node, Store: c.nodes[node].self.Store})
	c.publish(conf)
}

// gone takes a node out of the partition, as the end of a move does.
func (c *cluster) gone(node partition.NodeID) {
	conf := c.m.Partitions[0]
	conf.Epoch++
	is := func(r partition.Replica) bool { return r.Node == node }
	conf.Replicas = slices.DeleteFunc(slices.Clone(conf.Replicas), is)
	conf.Learners = slices.DeleteFunc(slices.Clone(conf.Learners), is)
	c.publish(conf)
}

// four is a cluster of four, all in sync.
func four(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, 4)
	c.serve("n1")
	c.learn("n4")
	c.pass(5 * time.Second)
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
	if !c.m.Partitions[0].InSync("n4") {
		t.Fatal("n4 is not in sync")
	}
	return c
}

func (c *cluster) hasCopy(node partition.NodeID) (has bool) {
	c.nodes[node].g.Copies(func(Copy) { has = true })
	return has
}

func TestACopyThatNobodyNeedsIsDeleted(t *testing.T) { // K3
	t.Parallel()
	c := four(t)
	c.gone("n4")
	c.pass(time.Second)
	if c.hasCopy("n4") {
		t.Fatal("it is still there")
	}
	// It may come back, empty.
	c.learn("n4")
	c.pass(5 * time.Second)
	if !c.m.Partitions[0].InSync("n4") {
		t.Fatal("it is not in sync again")
	}
	c.primary("n4", "n1", "n2", "n3", "n4")
	c.pass(3 * time.Second)
	c.do("n4", c.operation("get", Get, "k", ""))
	c.want("get", Found)
}

func TestACopyIsKeptWhileOthersAreMissing(t *testing.T) { // K3
	t.Parallel()
	c := four(t)
	c.kill("n3")
	c.primary("n1", "n1", "n2", "n4")
	c.gone("n4")
	c.pass(3 * time.Second)
	if !c.hasCopy("n4") {
		t.Fatal("deleted with two others in sync, of three that there should be")
	}
}

// The coordinators were restored from an old backup: their map does not know of
// the copy yet.
func TestNoCopyIsDeletedByAnOlderMap(t *testing.T) { // K3
	t.Parallel()
	c := newCluster(t, 4)
	c.serve("n1")
	before := *c.m
	c.learn("n4")
	c.pass(5 * time.Second)
	n4 := c.nodes["n4"]
	if !c.hasCopy("n4") {
		t.Fatal("n4 has none")
	}
	n4.g.SetMap(c.now, &before)
	c.pass(3 * time.Second)
	if !c.hasCopy("n4") {
		t.Fatal("deleted by a map that is older than the copy")
	}
}

// A node that dropped its copy, and has a new one, is bound by what it promised
// an old primary that knows of none of it.
func TestPromisesOutliveTheCopy(t *testing.T) { // L2, K3
	t.Parallel()
	c := four(t)
	c.gone("n4")
	c.settle()
	if c.hasCopy("n4") {
		t.Fatal("it is still there")
	}
	c.nodes["n1"].mapless = true
	c.cut[[2]partition.NodeID{"n2", "n1"}], c.cut[[2]partition.NodeID{"n3", "n1"}], c.cut[[2]partition.NodeID{"n4", "n1"}] = true, true, true
	conf := c.m.Partitions[0]
	conf.Epoch++
	conf.Primary = "n4"
	conf.Replicas = append(slices.Clone(conf.Replicas), partition.Replica{Node: "n4", Store: c.nodes["n4"].self.Store})
	c.publish(conf)
	c.settle()
	if role := c.status("n4").Role; role != Waiting {
		t.Fatalf("n4 is %v: it promised n1 to wait", role)
	}
}
