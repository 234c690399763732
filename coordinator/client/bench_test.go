package client

import (
	"fmt"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// largest is a map of 1,000 nodes and as many partitions as there can be.
func largest(b *testing.B) *partition.Map {
	b.Helper()
	m := &partition.Map{Version: 1, ClusterID: "0123456789abcdef0123456789abcdef", Application: "holdfast",
		Settings: partition.Settings{Partitions: partition.MaxPartitions, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3}}
	for i := range 1000 {
		m.Nodes = append(m.Nodes, partition.Node{
			ID: partition.NodeID(fmt.Sprintf("node-%04d", i)), Store: partition.StoreID(1<<60 + i), Incarnation: 7, Weight: 1, Zone: fmt.Sprint("zone-", i%3),
			HTTPAddr: fmt.Sprintf("10.0.%d.%d:7070", i/256, i%256), PeerAddr: fmt.Sprintf("10.0.%d.%d:7071", i/256, i%256),
		})
	}
	for i := range partition.MaxPartitions {
		c := partition.Configuration{ID: partition.ID(i), Epoch: 9, Lineage: uint32(i) + 1<<30}
		for r := range 3 {
			n := &m.Nodes[(i+r*331)%1000]
			c.Replicas = append(c.Replicas, partition.Replica{Node: n.ID, Store: n.Store})
		}
		c.Primary = c.Replicas[0].Node
		m.Partitions = append(m.Partitions, c)
	}
	return m
}

// A look-up in the largest map: 25 ns, no allocation; who its primary is, 2 ns more.
func BenchmarkGetPartition(b *testing.B) {
	c := &Client{}
	c.current.Store(&view{m: largest(b)})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.GetPartition("user:00000000000000000000000000000000042"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetPrimary(b *testing.B) {
	c := &Client{}
	c.current.Store(&view{m: largest(b)})
	p, err := c.GetPartition("user:42")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if c.GetPrimary(p) == nil {
			b.Fatal("none")
		}
	}
}

// What the map costs on the wire at its largest: a whole map 7 MB, once for each
// follower; a change of one partition 90 bytes for each follower, of a hundred
// 8 KB: in proportion to the change, and encoded once for all of them.
func BenchmarkMapOnTheWire(b *testing.B) {
	m := largest(b)
	for _, changed := range []int{1, 100, 10_000} {
		next := *m
		next.Version++
		next.Partitions = append([]partition.Configuration(nil), m.Partitions...)
		for i := range changed {
			next.Partitions[i*6].Epoch++
		}
		b.Run(fmt.Sprintf("changed=%d", changed), func(b *testing.B) {
			var raw []byte
			for b.Loop() {
				raw = protocol.Encode(protocol.Delta{Delta: partition.DeltaOf(m, &next)})
			}
			b.ReportMetric(float64(len(raw)), "B/follower")
			b.ReportMetric(float64(100*len(raw)), "B/100-followers")
		})
	}
	b.Run("whole", func(b *testing.B) {
		var raw []byte
		for b.Loop() {
			raw = protocol.Encode(protocol.Snapshot{Map: m})
		}
		b.ReportMetric(float64(len(raw)), "B/follower")
	})
}
