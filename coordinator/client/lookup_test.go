package client_test

import (
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// primaryOf is the client of the partition's primary.
func primaryOf(t *testing.T, nodes []*client.Client, id partition.ID) *client.Client {
	t.Helper()
	for _, c := range nodes {
		if p, err := c.GetPartitionByID(id); err == nil && c.IsPrimary(p) {
			return c
		}
	}
	t.Fatalf("no node is primary of %v", id)
	return nil
}

// A primary hands a write to GetReplicas with the epoch of its look-up as the
// fence. The map changes in between: the replicas must still be those of that
// epoch, the next primary among them.
func TestLookUpsOfOnePartitionUseOneMap(t *testing.T) {
	t.Parallel()
	_, nodes := cluster(t)
	p, err := nodes[0].GetPartition("k")
	if err != nil {
		t.Fatal(err)
	}
	old := primaryOf(t, nodes, p.Number)
	if p, err = old.GetPartition("k"); err != nil {
		t.Fatal(err)
	}
	before := old.GetReplicas(p)
	successor := before[0].ID
	change := withPrimary(p, successor)
	trio.Eventually(t, "the next primary", func() bool {
		old.Propose(change)
		now, err := old.GetPartitionByID(p.Number)
		return err == nil && now.Epoch > p.Epoch
	})
	after := old.GetReplicas(p)
	if len(after) != 2 || after[0].ID != before[0].ID || after[1].ID != before[1].ID {
		t.Errorf("replicas of epoch %d were %v, and are %v", p.Epoch, names(before), names(after))
	}
	if !old.IsPrimary(p) || old.IsReplica(p) || old.GetPrimary(p).ID != old.NodeID() {
		t.Errorf("%s is not the primary of the epoch in which it was", old.NodeID())
	}
	now, err := old.GetPartitionByID(p.Number)
	if err != nil || old.IsPrimary(now) || !old.IsReplica(now) || old.GetPrimary(now).ID != successor {
		t.Errorf("epoch %d: %+v, %v", p.Epoch+1, now, err)
	}
}

func names(nodes []*client.Node) (out []partition.NodeID) {
	for _, n := range nodes {
		out = append(out, n.ID)
	}
	return out
}

// Two processes run with one ID: the map names the later start. The earlier one
// must not take itself for a primary or a replica.
func TestAStartThatTheMapDoesNotNameIsNeitherPrimaryNorReplica(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	earlier := nodes[0]
	again := config(g, 1)
	again.Accepted, again.Start = again.Start, partition.Start{Incarnation: 2, ID: 2}
	for i := range earlier.Map().Partitions {
		p := &earlier.Map().Partitions[i]
		again.Copies = append(again.Copies, client.Copy{Partition: p.ID, Epoch: p.Epoch, Lineage: p.Lineage})
	}
	again.Network, again.NothingToCopy = g.Network.Host("n1b"), true
	cutOff(t, g, nodes[1], "n1")
	later := join(t, again)
	g.Network.HealAll()
	trio.Eventually(t, "the earlier start to see the later", func() bool {
		self, there := earlier.Self()
		return there && self.Incarnation == 2
	})
	trio.Eventually(t, "the later start to have all partitions", func() bool {
		held := 0
		for i := range later.Map().Partitions {
			p, err := later.GetPartitionByID(partition.ID(i)) // the earlier start's look-ups fail
			if err != nil {
				t.Fatal(err)
			}
			if earlier.IsPrimary(p) || earlier.IsReplica(p) {
				t.Errorf("%v: the earlier start takes itself for one of its replicas", p.ID)
			}
			if later.IsPrimary(p) || later.IsReplica(p) {
				held++
			}
		}
		return held == 8
	})
}

func TestLearnersAreNoReplicas(t *testing.T) {
	t.Parallel()
	_, nodes := cluster(t)
	_ = nodes[2].Close()
	trio.Eventually(t, "n3 to be taken out", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 0 })
	p, err := nodes[0].GetPartition("k")
	if err != nil {
		t.Fatal(err)
	}
	if got := names(nodes[0].GetLearners(p)); len(got) != 1 || got[0] != "n3" {
		t.Errorf("learners %v, want n3", got)
	}
	if got := names(nodes[0].GetReplicas(p)); len(got) != 1 || got[0] == "n3" {
		t.Errorf("replicas %v: n3 is not in sync", got)
	}
}
