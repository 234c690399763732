package replica

// SetLeaving says that the node is about to end in good order (L4). From now on
// its primaries grant no reads, and take back what they granted; its secondaries
// give up their grants, and say so with every answer to a beacon; copies that are
// learners keep silent, so that nobody counts on them again. All else goes on,
// until the map has other primaries.
func (g *Group) SetLeaving(now Time) {
	g.advanceClock(now)
	g.leaving = true
	g.beacons.due = true
	for _, r := range g.order {
		if r.grantUntil != 0 {
			r.grantUntil = 0
			r.publish()
		}
	}
}

// declined forgets all grants of a process that has given them up for good.
func (g *Group) declined(from Peer) {
	for _, r := range g.order {
		if had, ok := r.grants[from.Node]; ok && had.to == from.Start {
			delete(r.grants, from.Node)
			r.bar()
		}
	}
}

// Retired reports whether every read grant that this node gave has run out or
// has come back, and every primary knows that this node holds none: then nobody
// has to wait for a grant once the map changes.
func (g *Group) Retired(now Time) bool {
	g.advanceClock(now)
	for _, r := range g.order {
		if g.now < r.grantsEnd() {
			return false
		}
		if r.role != Secondary || r.conf.Primary == "" {
			continue
		}
		if h := g.beacons.heard[r.conf.Primary]; h == nil || !h.known {
			return false
		}
	}
	return true
}
