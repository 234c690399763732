package client

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"weak"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// version is a version of a map: what stands for its partitions, and its nodes.
type version struct {
	partitions weak.Pointer[partition.Configuration]
	nodes      weak.Pointer[partition.Node]
}

func versionOf(m *partition.Map) version {
	return version{weak.Make(&m.Partitions[0]), weak.Make(&m.Nodes[0])}
}

// alive counts the versions whose partitions, or nodes, are in memory, once no
// more than wanted are, or nothing more goes.
func alive(versions []version, wanted int) (partitions, nodes int) {
	for range 20 {
		runtime.GC()
		partitions, nodes = 0, 0
		for _, v := range versions {
			if v.partitions.Value() != nil {
				partitions++
			}
			if v.nodes.Value() != nil {
				nodes++
			}
		}
		if partitions <= wanted && nodes <= wanted {
			break
		}
	}
	return partitions, nodes
}

// A program's hook takes long, and the map changes meanwhile. What the hook was
// called with, and what waits for it, keeps no map in memory.
func TestHooksKeepNoOldMapInMemory(t *testing.T) {
	t.Parallel()
	c := &Client{role: protocol.RoleNode, config: Config{NodeID: "n1", Store: 1, Start: partition.Start{Incarnation: 1}, ProposesItself: true}, log: slog.New(slog.DiscardHandler)}
	c.ctx, c.cancel = context.WithCancel(t.Context())
	c.maps.init()
	c.hooks.init(c)
	defer c.hooks.wait()
	defer c.cancel()
	called := make(chan struct{}, 100)
	c.OnPartitionEvent(func(ctx context.Context, _ PartitionEvent) error {
		called <- struct{}{}
		<-c.ctx.Done()
		return nil
	})
	c.OnNodeEvent(func(context.Context, NodeEvent) error {
		called <- struct{}{}
		<-c.ctx.Done()
		return nil
	})

	const partitions, changes = 32, 40
	m := &partition.Map{Version: 1, ClusterID: "c", Nodes: []partition.Node{
		{ID: "n1", Store: 1, Incarnation: 1}, {ID: "n2", Store: 2, Incarnation: 1},
	}}
	for i := range partitions {
		m.Partitions = append(m.Partitions, partition.Configuration{
			ID: partition.ID(i), Epoch: 1, Primary: "n2",
			Replicas: []partition.Replica{{Node: "n2", Store: 2}}, Learners: []partition.Replica{{Node: "n1", Store: 1}},
		})
	}
	var versions []version
	for i := range changes {
		versions = append(versions, versionOf(m))
		c.hooks.take(m)
		c.lifecycle.take(m, ClusterHealth{})
		changed, restarted := m.Partitions[i%partitions], m.Nodes[1]
		changed.Epoch++
		restarted.Incarnation++
		next, err := m.Apply(partition.Delta{
			Since: m.Version, Version: m.Version + 1,
			Partitions: []partition.Configuration{changed}, Nodes: []partition.Node{restarted},
		})
		if err != nil {
			t.Fatal(err)
		}
		m = next
	}
	<-called
	<-called
	// Hooks and lifecycle each compare the next map with the one before.
	if p, n := alive(versions, 1); p > 1 || n > 1 {
		t.Errorf("of %d versions of the map the partitions of %d are in memory, and the nodes of %d", len(versions), p, n)
	}
}
