package liveness

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// Contest is what a start may do that asks for the place of an earlier start of
// its node.
type Contest uint8

const (
	// Free: the earlier start is gone: the new one listens at its address, or it
	// was silent for the suspicion time after the new one had asked.
	Free Contest = iota
	// Undecided: the earlier start may still run at another address. Ask again.
	Undecided
	// Taken: the earlier start was heard from after the new one had asked.
	Taken
)

// contest is a start that has asked for the place of an earlier one.
type contest struct {
	against Process
	asked   time.Duration
	latest  time.Duration // when it asked last
}

// Contest judges a start against the one that the map has of the same store. Two
// processes on copies of one directory must not both be the node; that the
// earlier one is silent does not prove that it is dead, which Register's
// consequences allow for. It also returns the start that was found silent, zero
// where the address alone decides.
func (d *Detector) Contest(now time.Duration, m *partition.Map, newcomer *partition.Node) (Contest, partition.Start) {
	d.observe(now, m)
	key := ProcessOf(newcomer)
	known, again := m.Node(newcomer.ID)
	if !again || known.Store != newcomer.Store || ProcessOf(known) == key || newcomer.SameAddress(known) {
		delete(d.contests, key)
		return Free, partition.Start{}
	}
	c := d.contests[key]
	if c == nil || c.against != ProcessOf(known) {
		c = &contest{against: ProcessOf(known), asked: now}
		d.contests[key] = c
	}
	c.latest = now
	silentSince := max(c.asked, d.anew)
	if b := d.boots[c.against]; b != nil && b.last > c.asked {
		delete(d.contests, key)
		return Taken, partition.Start{}
	}
	if now-silentSince <= d.config.Suspicion {
		return Undecided, partition.Start{}
	}
	return Free, known.Start()
}
