package replica

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/holdfast-io/holdfast/partition"
)

// manyPartitions is a map of that many partitions, with n2 as their primary.
func manyPartitions(n int) *partition.Map {
	m := &partition.Map{Version: 1, Settings: partition.Settings{Partitions: n, ReplicationFactor: 3, MinInSync: 2}}
	for i, id := range []partition.NodeID{"n1", "n2", "n3"} {
		m.Nodes = append(m.Nodes, partition.Node{ID: id, Store: partition.StoreID(101 + i), Incarnation: 1})
	}
	replicas := []partition.Replica{{Node: "n1", Store: 101}, {Node: "n2", Store: 102}, {Node: "n3", Store: 103}}
	for i := range n {
		m.Partitions = append(m.Partitions, partition.Configuration{ID: partition.ID(i), Epoch: 1, Lineage: 7, Primary: "n2", Replicas: replicas})
	}
	return m
}

// Every partition changes, each in a version of the map of its own, as in moves.
// What is in memory then does not grow with the number of versions: replicas of
// partitions that changed long ago keep no map of that time.
func TestReplicasKeepNoOldMapInMemory(t *testing.T) {
	t.Parallel()
	const partitions = 128
	m := manyPartitions(partitions)
	g := NewGroup(Config{
		Self: Peer{Node: "n1", Store: 101, Start: partition.Start{Incarnation: 1}}, MinInSync: 2, ReplicationFactor: 3,
		Open: func(partition.ID, uint32) State { return newTestState() },
	})
	now := Time(time.Hour)
	var out Output
	var versions []weak.Pointer[partition.Configuration] // each stands for all of its version
	take := func() {
		versions = append(versions, weak.Make(&m.Partitions[0]))
		g.SetMap(now, m)
		g.Drain(&out)
		g.Synced(now, g.ticket)
	}
	take()
	for i := range partitions {
		c := m.Partitions[i]
		c.Epoch++
		if i%2 == 0 {
			c.Primary = "n1" // these hold promises, send beacons, and wait for others
		}
		next, err := m.Apply(partition.Delta{Since: m.Version, Version: m.Version + 1, Partitions: []partition.Configuration{c}})
		if err != nil {
			t.Fatal(err)
		}
		m, now = next, now.Add(100*time.Millisecond)
		take()
		g.Tick(now)
	}
	g.Drain(&out)
	out = Output{}
	alive := 0
	for range 10 {
		runtime.GC()
		alive = 0
		for _, v := range versions {
			if v.Value() != nil {
				alive++
			}
		}
		if alive == 1 {
			break
		}
	}
	if alive != 1 {
		t.Errorf("of %d versions of the map %d are in memory, want the newest alone", len(versions), alive)
	}
	runtime.KeepAlive(g)
	runtime.KeepAlive(m)
}
