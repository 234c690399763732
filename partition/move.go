package partition

import (
	"cmp"
	"fmt"
)

// Move is one step from where replicas are to where they should be. A replica
// that moves is added on To, brought up to date there, and only then taken from
// From: the number of replicas in sync never falls by it.
type Move struct {
	Partition ID `json:"partition"`
	// From is the node that the replica leaves; "" where one is only added.
	From NodeID `json:"from,omitempty"`
	// To is the node that it comes to; "" where one is only taken away.
	To NodeID `json:"to,omitempty"`
	// Primary is who is to be primary, where nothing but that changes.
	Primary NodeID `json:"primary,omitempty"`
	Reason  string `json:"reason"` // in words, for people
	// Since is the version of the map that the move began with; 0 in a plan.
	Since uint64 `json:"since,omitempty"`
}

// String tells the move without its reason: "partition-5: n1 > n4".
func (v Move) String() string {
	switch {
	case v.Primary != "":
		return fmt.Sprintf("%v: %s becomes primary", v.Partition, v.Primary)
	case v.From == "":
		return fmt.Sprintf("%v: one more on %s", v.Partition, v.To)
	case v.To == "":
		return fmt.Sprintf("%v: one less, on %s", v.Partition, v.From)
	}
	return fmt.Sprintf("%v: %s > %s", v.Partition, v.From, v.To)
}

// Touches reports whether the move has to do with the node.
func (v Move) Touches(node NodeID) bool {
	return v.From == node || v.To == node || v.Primary == node
}

// compareMoves is the order of the moves of a map.
func compareMoves(a, b Move) int { return cmp.Compare(a.Partition, b.Partition) }

// Leaver returns the replica in sync that the primary of a partition should ask
// to be taken out now, for the sake of a move; "" where there is none. Who comes
// is in sync by then, and the primary itself does not leave.
func Leaver(v *Move, c *Configuration, minInSync int) NodeID {
	if v.From == "" || v.From == c.Primary || !c.InSync(v.From) || v.To != "" && !c.InSync(v.To) ||
		len(c.Replicas)-1 < max(1, minInSync) {
		return ""
	}
	return v.From
}

// Heir returns who the primary of a partition should hand over to now, for the
// sake of a move: who is to be primary, or who has come in its own place. "" where
// it should stay.
func Heir(v *Move, c *Configuration) NodeID {
	switch {
	case v.Primary != "":
		if v.Primary != c.Primary && c.InSync(v.Primary) {
			return v.Primary
		}
	case v.From != c.Primary || v.From == "":
	case v.To != "":
		if c.InSync(v.To) {
			return v.To
		}
	default:
		for _, r := range c.Replicas {
			if r.Node != v.From {
				return r.Node
			}
		}
	}
	return ""
}
