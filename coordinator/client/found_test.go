package client

import (
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// small is a map with two nodes and two partitions.
func small() *partition.Map {
	m := &partition.Map{Version: 1, ClusterID: "c", Application: "a", Nodes: []partition.Node{
		{ID: "n1", Store: 1, Incarnation: 1, StartID: 1, Services: map[string]string{"kv": "here:1"}}, {ID: "n2", Store: 2, Incarnation: 1},
	}}
	for i := range 2 {
		m.Partitions = append(m.Partitions, partition.Configuration{
			ID: partition.ID(i), Epoch: 1, Primary: "n1", Replicas: []partition.Replica{{Node: "n1", Store: 1}, {Node: "n2", Store: 2}},
		})
	}
	return m
}

// What a look-up returned is kept for as long as its partition does not change,
// which may be for months: it must not keep that map's partitions and nodes.
func TestAPartitionKeepsNoMapInMemory(t *testing.T) {
	t.Parallel()
	c := &Client{config: Config{NodeID: "n1", Store: 1, Start: partition.Start{Incarnation: 1, ID: 1}}}
	var gone atomic.Int32
	p := func() *Partition {
		m := small()
		runtime.AddCleanup(&m.Partitions[0], func(*atomic.Int32) { gone.Add(1) }, nil)
		runtime.AddCleanup(&m.Nodes[0], func(*atomic.Int32) { gone.Add(1) }, nil)
		c.current.Store(&view{m: m})
		p, err := c.GetPartitionByID(0)
		if err != nil {
			t.Fatal(err)
		}
		next := small()
		next.Version = 2
		c.current.Store(viewOf(next, c.current.Load()))
		return p
	}()
	for range 100 {
		if runtime.GC(); gone.Load() == 2 {
			break
		}
	}
	if gone.Load() != 2 {
		t.Error("the map of the look-up is still in memory")
	}
	if !c.IsPrimary(p) || c.GetPrimary(p).Services["kv"] != "here:1" {
		t.Errorf("%+v", p)
	}
}

// Another address of a node shows in the next look-up, although the epoch is the
// same; without any change the look-up returns the same value.
func TestALookUpSeesNodesThatChanged(t *testing.T) {
	t.Parallel()
	c := &Client{config: Config{NodeID: "n1", Store: 1, Start: partition.Start{Incarnation: 1, ID: 1}}}
	c.current.Store(&view{m: small()})
	look := func() *Partition {
		p, err := c.GetPartitionByID(1)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := look()
	if look() != first {
		t.Error("two values for one partition of one map")
	}
	moved := small()
	moved.Nodes[0].Services = map[string]string{"kv": "there:1"}
	c.current.Store(viewOf(moved, c.current.Load()))
	if second := look(); c.GetPrimary(second).Services["kv"] != "there:1" {
		t.Errorf("%+v", c.GetPrimary(second))
	} else if c.GetPrimary(first).Services["kv"] != "here:1" {
		t.Error("a Partition has changed")
	} else if c.GetReplicas(first)[0] != c.GetReplicas(second)[0] {
		t.Error("two copies of a node that has not changed")
	}
}
