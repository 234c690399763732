package replica

// Shortage is what a node lacks for more writes: a set of the bits below. It is
// no part of the protocol's safety: a write that is refused for it was not
// logged, whenever that happens.
type Shortage uint8

const (
	// ShortOfMemory: too much that is in no file yet is held in memory.
	ShortOfMemory Shortage = 1 << iota
	// ShortOfDisk: the disk is nearly full.
	ShortOfDisk

	// AllShortages are all bits that there are.
	AllShortages = ShortOfMemory | ShortOfDisk
)

// SetShortage says what this node lacks now. The primaries on other nodes learn
// it with the next answer to their beacons.
func (g *Group) SetShortage(now Time, s Shortage) {
	g.advanceClock(now)
	g.shortage = s
}

// short is what this node lacks, or another that has to log what this primary
// logs: a secondary takes what it is sent, so its room is asked for before.
func (r *replica) short() Shortage {
	s := r.g.shortage
	for _, m := range r.members {
		if a := r.g.beacons.answered[m.node]; r.counts(m) && a.from == r.g.sessions[m.node] {
			s |= a.shortage
		}
	}
	return s
}

// refuses is the outcome of a write under the shortage, zero where it is let
// through: a delete makes room on a disk in the end, and its entry is small.
func (s Shortage) refuses(a Action) Outcome {
	switch {
	case s&ShortOfDisk != 0 && a != Delete:
		return DiskFull
	case s&ShortOfMemory != 0:
		return Overloaded
	}
	return 0
}
