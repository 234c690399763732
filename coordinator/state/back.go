package state

import "github.com/holdfast-io/holdfast/partition"

// back returns what follows where a disk that was taken for lost is there again, and
// was the last in sync: nothing was committed since, so its copy is eligible. The
// operator still says that it is whole (Recover). Where recover-map could not tell
// which of several was the last, it becomes a learner, for UnsafeRecover.
func (b *boot) back(cur *partition.Configuration) (partition.Configuration, bool) {
	self := []partition.Replica{{Node: b.node.ID, Store: b.node.Store}}
	was, unavailable := partition.Find(cur.Unavailable, b.node.ID)
	_, eligible := partition.Find(cur.Eligible, b.node.ID)
	have, reported := b.copies[cur.ID]
	if !unavailable || was != self[0] || eligible || len(cur.Replicas) > 0 ||
		!reported || have.Lineage == 0 || have.Lineage != cur.Lineage || have.Epoch == 0 {
		return partition.Configuration{}, false
	}
	next := *cur
	next.Epoch++
	next.Learners = union(without(cur.Learners, self), self)
	if len(cur.Unavailable) == 1 && (have.Configuration == nil || have.Configuration.InSync(b.node.ID)) {
		next.Eligible = union(cur.Eligible, self)
	}
	return next, true
}
