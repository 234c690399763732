package partition

import (
	"maps"
	"slices"
)

// Difference is what distinguishes two maps, in order of partitions and nodes;
// moves that began come after those that ended.
// Its values belong to the maps and must not be written to.
type Difference struct {
	Partitions []PartitionDifference
	Nodes      []NodeDifference
	Moves      []MoveDifference
}

// PartitionDifference is a partition that changed. Old is nil where the
// partition was placed for the first time, New where it is no more.
type PartitionDifference struct{ Old, New *Configuration }

// NodeDifference is a node that joined (Old is nil), left (New is nil) or
// changed: another boot, store, address, zone, weight, duty or services.
type NodeDifference struct{ Old, New *Node }

// MoveDifference is a move that began (Old is nil), ended (New is nil), or took
// another's place.
type MoveDifference struct{ Old, New *Move }

// Compare tells what changed from old to new.
func Compare(old, new *Map) Difference {
	var d Difference
	for i := range max(len(old.Partitions), len(new.Partitions)) {
		before, _ := old.Partition(ID(i))
		after, _ := new.Partition(ID(i))
		if before == nil || after == nil || !before.Equal(after) {
			d.Partitions = append(d.Partitions, PartitionDifference{Old: before, New: after})
		}
	}
	d.Nodes = compareNodes(old.Nodes, new.Nodes)
	for i := range old.Moves {
		if after, still := new.Move(old.Moves[i].Partition); !still {
			d.Moves = append(d.Moves, MoveDifference{Old: &old.Moves[i]})
		} else if *after != old.Moves[i] {
			d.Moves = append(d.Moves, MoveDifference{Old: &old.Moves[i], New: after})
		}
	}
	for i := range new.Moves {
		if _, known := old.Move(new.Moves[i].Partition); !known {
			d.Moves = append(d.Moves, MoveDifference{New: &new.Moves[i]})
		}
	}
	return d
}

// compareNodes walks two sorted lists side by side.
func compareNodes(old, new []Node) []NodeDifference {
	var out []NodeDifference
	for len(old) > 0 || len(new) > 0 {
		switch {
		case len(new) == 0 || len(old) > 0 && old[0].ID < new[0].ID:
			out = append(out, NodeDifference{Old: &old[0]})
			old = old[1:]
		case len(old) == 0 || new[0].ID < old[0].ID:
			out = append(out, NodeDifference{New: &new[0]})
			new = new[1:]
		default:
			if !old[0].Equal(&new[0]) {
				out = append(out, NodeDifference{Old: &old[0], New: &new[0]})
			}
			old, new = old[1:], new[1:]
		}
	}
	return out
}

// Equal reports whether two configurations say the same.
func (c *Configuration) Equal(d *Configuration) bool {
	return c == d || c.ID == d.ID && c.Epoch == d.Epoch && c.Lineage == d.Lineage && c.Primary == d.Primary &&
		slices.Equal(c.Replicas, d.Replicas) && slices.Equal(c.Learners, d.Learners) &&
		slices.Equal(c.Eligible, d.Eligible) && slices.Equal(c.Unavailable, d.Unavailable)
}

// Equal reports whether two nodes are the same in everything.
func (n *Node) Equal(o *Node) bool {
	return n == o || n.ID == o.ID && n.Store == o.Store && n.Start() == o.Start() && n.Zone == o.Zone &&
		n.HTTPAddr == o.HTTPAddr && n.PeerAddr == o.PeerAddr && n.Weight == o.Weight && n.Duty == o.Duty && maps.Equal(n.Services, o.Services)
}
