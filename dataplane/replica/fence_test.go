package replica

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// supersede gives the node's place in the map to another start, as the node
// itself hears it.
func (c *cluster) supersede(id partition.NodeID, store partition.StoreID, incarnation uint64) {
	m := *c.m
	m.Version++
	m.Nodes = slices.Clone(m.Nodes)
	for i := range m.Nodes {
		if m.Nodes[i].ID == id {
			m.Nodes[i].Store, m.Nodes[i].Incarnation, m.Nodes[i].StartID = store, incarnation, 0
		}
	}
	c.nodes[id].g.SetMap(c.now, &m)
}

// silent fails the test where the group says or writes anything but answers.
func silent(t *testing.T, n *testNode) {
	t.Helper()
	n.g.Drain(&n.out)
	if len(n.out.Messages)+len(n.out.Records)+len(n.out.Proposals)+len(n.out.Snapshots)+len(n.out.Findings) > 0 {
		t.Errorf("a fenced group says %+v", n.out)
	}
	for _, a := range n.out.Answers {
		n.c.answers[a.Tag.(string)] = a
	}
}

func TestASupersededStartIsFenced(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]Peer{
		"by another store": {Store: 999, Start: partition.Start{Incarnation: 1}},
		"by a later start": {Store: 101, Start: partition.Start{Incarnation: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 3)
			c.serve("n1")
			c.do("n1", c.operation("before", Put, "k", "v"))
			c.want("before", Done)
			c.cut[[2]partition.NodeID{"n1", "n2"}] = true
			c.do("n1", c.operation("logged", Put, "k", "w"))
			c.wantOpen("logged")
			n := c.nodes["n1"]
			later := c.operation("too early", Get, "k", "")
			later.Epoch++
			c.do("n1", later)

			c.supersede("n1", by.Store, by.Start.Incarnation)
			silent(t, n)
			c.want("logged", Unknown)
			c.want("too early", NotPrimary)
			if !n.g.Fenced() || n.view.MayRead(c.now) || n.view.MayReadClean(c.now) {
				t.Errorf("fenced %t, view %+v", n.g.Fenced(), n.view)
			}
			n.g.Operate(c.now, c.operation("after", Get, "k", ""))
			silent(t, n)
			c.want("after", NotPrimary)
			n.g.SetMap(c.now, c.m) // nothing brings it back
			n.g.SetLeaving(c.now)
			n.g.Tick(c.now.Add(time.Second))
			silent(t, n)
			if c.status("n1").Serving {
				t.Error("it serves")
			}
		})
	}
}

func TestAFencedReplicaAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.pass(time.Second) // grants are out
	n := c.nodes["n2"]
	if !n.view.MayReadClean(c.now) {
		t.Fatal("n2 holds no grant")
	}
	n.stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.wantOpen("put")
	n.g.Fence(c.now)
	if n.view.MayReadClean(c.now) {
		t.Error("a fenced replica reads under a grant")
	}
	n.g.Synced(c.now, n.ticket) // the disk's work ends; the acknowledgement does not go out
	silent(t, n)
	n.stalled = false
	c.settle()
	c.wantOpen("put")
	c.pass(100 * time.Millisecond)
	c.wantOpen("put")
}

// One that was never named is not superseded: its registration is still under way.
func TestAStartThatWasNeverNamedIsNotFenced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	n := c.nodes["n3"]
	n.self.Start.Incarnation = 3
	n.boot(0)
	c.supersede("n3", 103, 2) // an earlier start's registration came late
	c.supersede("n3", 999, 1)
	if n.g.Fenced() {
		t.Error("it is fenced")
	}
}
