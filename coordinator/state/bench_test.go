package state

import (
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// large is a large cluster of ten nodes, and the command that takes one of them
// out of a third of the partitions.
func large(t testing.TB, partitions int) (*cluster, Fail) {
	c := newCluster(t, partition.Settings{Partitions: partitions, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 10}, 10)
	list, err := partition.Place(c.m.Map().Nodes, c.m.Map().Settings, func() uint32 { return 7 })
	if err != nil {
		t.Fatal(err)
	}
	c.ok(Place{list})
	fail := Fail{Node: "n1", Incarnation: 1}
	for i := range list {
		p := &list[i]
		if !p.InSync("n1") {
			continue
		}
		set := without(p.Replicas, replicas(1))
		primary := p.Primary
		if primary == "n1" {
			primary = set[0].Node
		}
		fail.Changes = append(fail.Changes, partition.Change{
			Partition: p.ID, Epoch: 1, Primary: primary, Replicas: set, Reason: "n1 is suspected: no heartbeat for over 1s",
		})
	}
	return c, fail
}

// The failure of one node of the largest cluster, from the log's bytes on, must
// not hold up the Raft group. Measured: 25 ms.
func BenchmarkFail(b *testing.B) {
	c, fail := large(b, partition.MaxPartitions)
	bytes, err := Encode(fail)
	if err != nil {
		b.Fatal(err)
	}
	snapshot := c.m.Snapshot()
	b.ReportMetric(float64(len(bytes)), "B/command")
	for b.Loop() {
		b.StopTimer()
		m, err := Restore(snapshot)
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		cmd, err := Decode(bytes)
		if err != nil {
			b.Fatal(err)
		}
		m.Apply(99, cmd)
	}
}

func TestLargeCluster(t *testing.T) {
	t.Parallel()
	c, fail := large(t, 4096)
	c.ok(fail)
	c.ok(Register{Node: partition.Node{ID: "n1", Store: 100, Incarnation: 2, PeerAddr: "host1:7071", Weight: 1}, Accepted: partition.Start{Incarnation: 1, ID: 1000}})
	m, err := Restore(c.m.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if diff := partition.Compare(m.Map(), c.m.Map()); len(diff.Partitions)+len(diff.Nodes) > 0 {
		t.Errorf("%d partitions and %d nodes differ", len(diff.Partitions), len(diff.Nodes))
	}
}

// Measured: 15 ms to take, 35 ms to restore.
func BenchmarkSnapshot(b *testing.B) {
	c, _ := large(b, partition.MaxPartitions)
	for b.Loop() {
		if _, err := Restore(c.m.Snapshot()); err != nil {
			b.Fatal(err)
		}
	}
}
