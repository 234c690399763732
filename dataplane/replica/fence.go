package replica

import "github.com/holdfast-io/holdfast/partition"

// Fence ends this start's part in the cluster for good: another start of the
// node took its place, or the coordinators refuse it. From now on the group
// serves nothing, answers no other node, acknowledges, grants and releases
// nothing, adopts no map and drops no copy. What it holds stays on disk as it
// is. Operations under way end: a write that was logged has an unknown outcome,
// anything else was not applied.
func (g *Group) Fence(now Time) {
	g.advanceClock(now)
	if g.fenced {
		return
	}
	g.fenced, g.named = true, false
	for _, r := range g.order {
		r.fence()
	}
	g.muzzle()
}

// Fenced reports whether Fence was called, or a map called for it.
func (g *Group) Fenced() bool { return g.fenced }

// supersededBy reports whether the next map gives the place of this start to
// another.
func (g *Group) supersededBy(next *partition.Map) bool {
	self := partition.Node{ID: g.cfg.Self.Node, Store: g.cfg.Self.Store, Incarnation: g.cfg.Self.Start.Incarnation, StartID: g.cfg.Self.Start.ID}
	return g.wasNamed && g.current != nil && partition.Superseded(g.current, next, &self)
}

// muzzle drops all output but answers to operations: a fenced group says nothing
// to other nodes or the coordinators, and writes nothing.
func (g *Group) muzzle() {
	g.dirty, g.unsynced, g.beacons.due = nil, nil, false
	g.out = Output{Answers: g.out.Answers}
}

// fence ends the replica's role. Readers outside the executor find a view under
// which nothing may be read.
func (r *replica) fence() {
	r.dropVerdicts()
	r.stepDown()
	for _, op := range r.queue {
		r.answer(Answer{Tag: op.Tag, Outcome: NotPrimary})
	}
	r.role, r.change, r.release, r.replacing = Idle, nil, release{}, false
	r.follower, r.primary = follower{}, primary{}
	r.dirty = false
	r.publish()
}
