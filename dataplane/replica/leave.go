package replica

// SetLeaving says that the node is about to end in good order (L4). From now on
// its primaries grant no reads, and take back what they granted; copies that are
// learners keep silent, so that nobody counts on them again. All else goes on,
// until the map has other primaries.
func (g *Group) SetLeaving(now Time) {
	g.advanceClock(now)
	g.leaving = true
	g.beacons.due = true
}

// Retired reports whether every read grant that this node gave has run out or
// has come back: then a release may follow the next change of primary at once.
func (g *Group) Retired(now Time) bool {
	g.advanceClock(now)
	for _, r := range g.order {
		if g.now < r.grantsEnd() {
			return false
		}
	}
	return true
}
