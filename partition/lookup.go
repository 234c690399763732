package partition

import (
	"cmp"
	"slices"
)

// Node returns the node of that name. It must not be written to.
func (m *Map) Node(id NodeID) (*Node, bool) {
	i, ok := slices.BinarySearchFunc(m.Nodes, id, func(n Node, id NodeID) int { return cmp.Compare(n.ID, id) })
	if !ok {
		return nil, false
	}
	return &m.Nodes[i], true
}

// Partition returns what the map says of a partition; false before the first
// placement, and for a number that no partition has. It must not be written to, and
// keeps the whole map in memory: see Configuration.Clone.
func (m *Map) Partition(id ID) (*Configuration, bool) {
	if uint64(id) >= uint64(len(m.Partitions)) {
		return nil, false
	}
	return &m.Partitions[id], true
}

// Move returns the partition's move under way, if there is one. It must not be
// written to.
func (m *Map) Move(id ID) (*Move, bool) {
	i, ok := slices.BinarySearchFunc(m.Moves, Move{Partition: id}, compareMoves)
	if !ok {
		return nil, false
	}
	return &m.Moves[i], true
}

// Placed reports whether the first placement has happened.
func (m *Map) Placed() bool { return len(m.Partitions) > 0 }

// Primaries counts the partitions that each node is primary of. Nodes that are
// primary of none are absent.
func (m *Map) Primaries() map[NodeID]int {
	counts := make(map[NodeID]int, len(m.Nodes))
	for i := range m.Partitions {
		if p := m.Partitions[i].Primary; p != "" {
			counts[p]++
		}
	}
	return counts
}

// compareReplicas is the order of all lists of replicas.
func compareReplicas(a, b Replica) int { return cmp.Compare(a.Node, b.Node) }
