package client

import (
	"sync"
	"sync/atomic"

	"github.com/holdfast-io/holdfast/partition"
)

// Partition is one partition as a look-up found it. It never changes: all
// look-ups with one Partition answer from the map that it was found in, so
// together they describe one epoch. The epoch is the fencing token to send along
// with what is done on the strength of it.
type Partition struct {
	ID     string // "partition-5"
	Number partition.ID
	Epoch  partition.Epoch
	// Configuration is all that the map said of it; it must not be written to.
	Configuration *partition.Configuration

	primary    *Node   // nil while there is none
	replicas   []*Node // in sync, without the primary
	learners   []*Node
	generation uint64 // of the nodes that it names
}

// view is a map as the look-ups use it.
type view struct {
	m          *partition.Map
	generation uint64 // grows when the nodes, or the history of the map, are others
}

// viewOf is the view of a map that follows another.
func viewOf(m *partition.Map, last *view) *view {
	v := &view{m: m, generation: last.generation}
	if len(m.Nodes) != len(last.m.Nodes) || len(m.Nodes) > 0 && &m.Nodes[0] != &last.m.Nodes[0] {
		v.generation++ // a snapshot, or a delta with nodes: maps share what does not change
	}
	return v
}

// found keeps what look-ups return, so that a look-up allocates nothing while its
// partition does not change. It keeps no map in memory: a Partition has copies of
// its configuration and of the nodes that this names.
type found struct {
	kept atomic.Pointer[[]atomic.Pointer[Partition]] // by partition; made with the first placement
	mu   struct {
		sync.Mutex
		nodes map[partition.NodeID]*Node // the newest copy of each node that a Partition names
	}
}

// partition returns what is kept of a partition of the map, or keeps what the map
// says.
func (f *found) partition(v *view, id partition.ID) *Partition {
	kept := f.kept.Load()
	if kept == nil || len(*kept) != len(v.m.Partitions) {
		made := make([]atomic.Pointer[Partition], len(v.m.Partitions))
		kept = &made
		f.kept.Store(kept)
	}
	at, cur := &(*kept)[id], &v.m.Partitions[id]
	if p := at.Load(); p != nil && p.Epoch == cur.Epoch && p.generation == v.generation {
		return p
	}
	p := f.describe(v, cur)
	at.Store(p)
	return p
}

// describe copies what a map says of a partition.
func (f *found) describe(v *view, cur *partition.Configuration) *Partition {
	own := cur.Clone()
	p := &Partition{ID: own.ID.String(), Number: own.ID, Epoch: own.Epoch, Configuration: own, generation: v.generation}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range own.Replicas {
		n := f.node(v.m, r)
		switch {
		case n == nil:
		case r.Node == own.Primary:
			p.primary = n
		default:
			p.replicas = append(p.replicas, n)
		}
	}
	for _, r := range own.Learners {
		if n := f.node(v.m, r); n != nil {
			p.learners = append(p.learners, n)
		}
	}
	return p
}

// node is a copy of the node that has a replica, shared by all partitions; nil
// where the map does not name it with the replica's store. The caller holds mu.
func (f *found) node(m *partition.Map, r partition.Replica) *Node {
	n, known := m.Node(r.Node)
	if !known || n.Store != r.Store {
		return nil
	}
	if kept := f.mu.nodes[r.Node]; kept != nil && kept.Equal(n) {
		return kept
	}
	if f.mu.nodes == nil {
		f.mu.nodes = make(map[partition.NodeID]*Node)
	}
	own := n.Clone()
	f.mu.nodes[r.Node] = own
	return own
}
