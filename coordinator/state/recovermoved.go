package state

import "github.com/holdfast-io/holdfast/partition"

// A start at another address than an earlier one of its store may run beside it,
// on a copy of its directory. While the map is behind, the rules for that are the
// same as else: it learns from others, and where nobody else has the partition
// the operator says whether the earlier process is gone.

// moved reports whether an earlier start of the member's node may run elsewhere.
func (v *recovery) moved(m partition.Replica) bool {
	r, reported := v.used(m.Node)
	return reported && r.Moved
}

// vouched returns the members of which the operator has said that no earlier
// start runs.
func (v *recovery) vouched(moved []partition.Replica) []partition.Replica {
	var out []partition.Replica
	for _, m := range moved {
		if r, reported := v.used(m.Node); reported && r.Vouched {
			out = append(out, m)
		}
	}
	return out
}

// await notes that the operator must vouch for one of these first.
func (v *recovery) await(moved []partition.Replica) {
	for _, m := range moved {
		v.unvouched[m.Node] = true
	}
}
