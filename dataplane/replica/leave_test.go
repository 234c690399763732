package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

func TestWhoLeavesHasItsGrantsBackInOneRound(t *testing.T) { // L4, L6
	t.Parallel()
	c := granting(t, 3)
	n1 := c.nodes["n1"]
	if n1.g.Retired(c.now) {
		t.Fatal("retired while others may read")
	}
	n1.g.SetLeaving(c.now)
	c.settle()
	if c.mayRead("n2") || c.mayRead("n3") {
		t.Fatal("others may still read")
	}
	if !n1.g.Retired(c.now) {
		t.Fatal("not retired though all grants are back")
	}
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done) // it serves until the map has another primary
	c.primary("n2", "n2", "n3")
	c.settle()
	if c.status("n2").Role != Serving {
		t.Fatalf("n2 waits, in role %v", c.status("n2").Role)
	}
}

func TestWhoDoesNotHandItsGrantBackIsWaitedFor(t *testing.T) { // L4, L6
	t.Parallel()
	c := granting(t, 3)
	n1 := c.nodes["n1"]
	c.cut[[2]partition.NodeID{"n3", "n1"}] = true
	n1.g.SetLeaving(c.now)
	c.settle()
	if n1.g.Retired(c.now) {
		t.Fatal("retired though n3 has said nothing")
	}
	c.pass(n1.g.cfg.Timings.Promise)
	if !n1.g.Retired(c.now) {
		t.Fatal("not retired though the grant has run out")
	}
}

func TestALearnerThatLeavesIsNotAddedAgain(t *testing.T) { // L4, K2
	t.Parallel()
	c := granting(t, 3)
	c.nodes["n3"].g.SetLeaving(c.now)
	c.primary("n1", "n1", "n2")
	c.pass(3 * time.Second)
	if c.m.Partitions[0].InSync("n3") {
		t.Fatal("added again")
	}
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
}
