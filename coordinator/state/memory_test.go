package state

import (
	"runtime"
	"testing"
	"weak"

	"github.com/holdfast-io/holdfast/partition"
)

// What became of a command is kept by whoever asked for it, and errors may be kept
// for long: neither keeps the map of that time in memory.
func TestResultsKeepNoOldMapInMemory(t *testing.T) {
	t.Parallel()
	c := newCluster(t, partition.Settings{Partitions: 64, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3}, 3)
	var placed []partition.Configuration
	for i := range 64 {
		placed = append(placed, partition.Configuration{ID: partition.ID(i), Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1, 2, 3)})
	}
	c.ok(Place{Configurations: placed})
	var versions []weak.Pointer[partition.Configuration]
	var results []Result
	for i := range partition.ID(64) {
		m := c.m.Map()
		versions = append(versions, weak.Make(&m.Partitions[0]))
		raise := partition.Change{Partition: i, Epoch: 1, Primary: "n1", Replicas: replicas(1, 2, 3)}
		stale := raise
		stale.Epoch = 9
		results = append(results, c.apply(Changes{Changes: []partition.Change{raise, stale}}))
	}
	alive := 0
	for range 20 {
		runtime.GC()
		alive = 0
		for _, v := range versions {
			if v.Value() != nil {
				alive++
			}
		}
		if alive == 0 {
			break
		}
	}
	if alive != 0 {
		t.Errorf("of %d old versions of the map %d are in memory", len(versions), alive)
	}
	if v := results[3].Verdicts; v[0].Current.Epoch != 2 || v[1].Err == nil {
		t.Errorf("%+v", v)
	}
	runtime.KeepAlive(c)
}
