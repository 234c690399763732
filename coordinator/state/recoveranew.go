package state

import "github.com/holdfast-io/holdfast/partition"

// anewLineage is that of a partition that is placed anew: of empty learners only.
// UnsafeRecover gives it another.
const anewLineage = 1

// anew places a partition of which no copy is left, and the map has none: learners
// on nodes that have reported, one after another. Nothing is in sync: the operator
// says that it may begin empty.
func (v *recovery) anew(id partition.ID) *partition.Configuration {
	c := &partition.Configuration{ID: id, Epoch: 1, Lineage: anewLineage}
	for i := range v.reports {
		n := &v.reports[(int(id)+i)%len(v.reports)].Node
		if known, ok := v.old.Node(n.ID); ok && known.Duty != partition.Full && known.Duty != partition.Replaced {
			continue
		}
		if len(c.Learners) < v.old.Settings.ReplicationFactor {
			c.Learners = union(c.Learners, []partition.Replica{{Node: n.ID, Store: n.Store}})
		}
	}
	return c
}
