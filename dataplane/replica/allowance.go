package replica

// allowance bounds what the primaries of a group send, to learners that moves
// bring, of the entries that were there before these began to follow. What is
// written meanwhile goes at once: a learner would never be in sync where clients
// write faster than that. So does what a replica missed that comes back: until it
// is in sync again one disk less has what is acknowledged.
type allowance struct {
	bound   bool
	bytes   int // left; below zero where a message was larger than what was left
	starved bool
}

// Allow lets so many more bytes of old entries go to learners of moves; below zero
// there is no bound from now on, as at the beginning.
func (g *Group) Allow(now Time, bytes int) {
	g.advanceClock(now)
	a := &g.allowance
	if a.bound = bytes >= 0; a.bound {
		a.bytes += bytes
	} else {
		a.bytes = 0
	}
	if !a.starved || a.bound && a.bytes <= 0 {
		return
	}
	a.starved = false
	for _, r := range g.order {
		if r.starved {
			r.starved = false
			r.mark()
		}
	}
}

// Backlog is how many bytes must be allowed for all old entries that wait: theirs,
// and what went beyond what was allowed before.
func (g *Group) Backlog() (bytes int) {
	if !g.allowance.starved {
		return 0
	}
	for _, r := range g.order {
		if !r.starved || !r.isPrimary() {
			continue
		}
		for _, m := range r.members {
			if r.behind(m) {
				bytes += r.log.bytes(m.next-1, min(m.backlog, r.log.last().Sequence))
			}
		}
	}
	if bytes > 0 {
		bytes += max(0, -g.allowance.bytes)
	}
	return bytes
}

// behind reports whether the next entry for a member is one to be allowed.
func (r *replica) behind(m *member) bool {
	return !m.inSync && m.node == r.comer && m.phase == following && m.next <= m.backlog
}

// starves reports whether the next entry must wait to be allowed. The wait is not
// the fault of a learner that has answered what it got.
func (r *replica) starves(m *member) bool {
	if a := &r.g.allowance; !r.behind(m) || !a.bound || a.bytes > 0 {
		return false
	}
	r.g.allowance.starved, r.starved = true, true
	if m.sent <= m.match {
		m.ackAt = r.g.now
	}
	return true
}
