package replica

import "github.com/holdfast-io/holdfast/dataplane/entry"

// tryDrop deletes a copy that nobody needs (K3): the map lists it in no role, in
// an epoch that is not before any that the copy has adopted, and as many others
// as there should be are in sync. What this replica promised, and what it still
// owes as a superseded primary, stays in memory: a copy that comes back in the
// same boot is bound by it.
func (r *replica) tryDrop() {
	c := r.conf
	if r.role != Idle || r.state == nil || c == nil || r.replacing || r.release.owed || !r.g.named ||
		c.Lists(r.self()) || c.Epoch < r.adopted || len(c.Replicas) < r.g.cfg.ReplicationFactor {
		return
	}
	for i := range r.g.unsynced {
		if r.g.unsynced[i].replica == r {
			return // what it wrote last is on its way to the disk still
		}
	}
	r.g.cfg.Drop(r.id)
	r.uncount(r.applied + 1)
	r.log.reset(entry.Position{})
	r.state, r.lineage, r.void, r.corrupt = nil, 0, false, ""
	r.durable, r.committed, r.applied, r.flushed, r.kept = 0, 0, 0, 0, 0
	r.logged = loggedClock{}
	r.follower = follower{}
	r.publish()
}
