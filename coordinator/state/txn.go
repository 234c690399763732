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
	primaries  map[partition.NodeID]int  // nil until somebody asks
	memory     *memory
}

// commit returns the new map, or the old one where nothing changed.
func (t *txn) commit() *partition.Map {
	if t.created == nil && t.nodes == nil && t.partitions == nil {
		return t.old
	}
	next := *t.old
	next.Version = t.index
	if t.created != nil {
		next.ClusterID, next.Application, next.Settings = t.created.ClusterID, t.created.Application, t.created.Settings
	}
	if t.nodes != nil {
		next.Nodes = t.nodes
	}
	if t.partitions != nil {
		next.Partitions = t.partitions
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
