package state

import (
	"cmp"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// txn is one command being applied: it copies what it changes, and leaves the
// old map to its readers.
type txn struct {
	index      uint64
	old        *partition.Map
	created    *Create
	nodes      []partition.Node          // nil while they are the old map's
	partitions []partition.Configuration // nil while they are the old map's
	rebalance  *partition.Rebalance      // nil while it is the old map's
	moves      []partition.Move          // valid where moved
	moved      bool
	primaries  map[partition.NodeID]int // nil until somebody asks
	version    uint64                   // of the new map; 0: the index, or one above the old
	memory     *memory
}

// commit returns the new map, or the old one where nothing changed.
func (t *txn) commit() *partition.Map {
	if t.created == nil && t.nodes == nil && t.partitions == nil && t.rebalance == nil && !t.moved {
		return t.old
	}
	next := *t.old
	// A recovered map has a higher version than the index.
	if next.Version = max(t.index, t.old.Version+1); t.version != 0 {
		next.Version = t.version
	}
	next.History = t.memory.lineage.history
	if t.created != nil {
		next.ClusterID, next.Application, next.Settings = t.created.ClusterID, t.created.Application, t.created.Settings
		next.Rebalance = partition.DefaultRebalance
	}
	if t.nodes != nil {
		next.Nodes = t.nodes
	}
	if t.partitions != nil {
		next.Partitions = t.partitions
	}
	if t.rebalance != nil {
		next.Rebalance = *t.rebalance
	}
	if t.moved {
		next.Moves = t.moves
	}
	return &next
}

// partition returns the partition's present state within the command.
func (t *txn) partition(id partition.ID) (*partition.Configuration, bool) {
	if t.partitions == nil {
		return t.old.Partition(id)
	}
	if uint64(id) >= uint64(len(t.partitions)) {
		return nil, false
	}
	return &t.partitions[id], true
}

// set replaces a partition's configuration.
func (t *txn) set(c partition.Configuration) {
	if t.partitions == nil {
		t.partitions = slices.Clone(t.old.Partitions)
	}
	if t.primaries != nil {
		t.primaries[t.partitions[c.ID].Primary]--
		t.primaries[c.Primary]++
	}
	t.partitions[c.ID] = c
}

// setNode adds a node, or replaces it.
func (t *txn) setNode(n partition.Node) {
	if t.nodes == nil {
		t.nodes = slices.Clone(t.old.Nodes)
	}
	i, known := slices.BinarySearchFunc(t.nodes, n.ID, func(o partition.Node, id partition.NodeID) int { return cmp.Compare(o.ID, id) })
	if known {
		t.nodes[i] = n
	} else {
		t.nodes = slices.Insert(t.nodes, i, n)
	}
}

// node returns a node's present state within the command.
func (t *txn) node(id partition.NodeID) (*partition.Node, bool) {
	m := partition.Map{Nodes: t.old.Nodes}
	if t.nodes != nil {
		m.Nodes = t.nodes
	}
	return m.Node(id)
}

// dropNode takes a node out.
func (t *txn) dropNode(id partition.NodeID) {
	if t.nodes == nil {
		t.nodes = slices.Clone(t.old.Nodes)
	}
	t.nodes = slices.DeleteFunc(t.nodes, func(n partition.Node) bool { return n.ID == id })
}

// under returns the partition's move within the command.
func (t *txn) under(id partition.ID) (*partition.Move, bool) {
	m := partition.Map{Moves: t.old.Moves}
	if t.moved {
		m.Moves = t.moves
	}
	return m.Move(id)
}

// setMove begins a move, or takes a partition's move away (nil).
func (t *txn) setMove(id partition.ID, v *partition.Move) {
	if !t.moved {
		t.moves, t.moved = slices.Clone(t.old.Moves), true
	}
	i, known := slices.BinarySearchFunc(t.moves, id, func(o partition.Move, id partition.ID) int { return cmp.Compare(o.Partition, id) })
	switch {
	case v == nil && known:
		t.moves = slices.Delete(t.moves, i, i+1)
	case known:
		t.moves[i] = *v
	case v != nil:
		t.moves = slices.Insert(t.moves, i, *v)
	}
}

// fewestPrimaries returns the candidate that is primary of the fewest
// partitions, this command's own choices included; among equals the first.
func (t *txn) fewestPrimaries(candidates []partition.Replica, allowed func(partition.NodeID) bool) partition.NodeID {
	if t.primaries == nil {
		t.primaries = t.old.Primaries()
	}
	best := partition.NodeID("")
	for _, r := range candidates {
		if allowed(r.Node) && (best == "" || t.primaries[r.Node] < t.primaries[best]) {
			best = r.Node
		}
	}
	return best
}
