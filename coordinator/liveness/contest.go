package liveness

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// Contest is what a start may do that asks for the place of an earlier start of
// its node.
type Contest uint8

const (
	// Free: there is no earlier start, or it is gone, or it was silent for the
	// suspicion time after the new one had asked.
	Free Contest = iota
	// Undecided: the earlier start may still run. Ask again.
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

// Contest judges a start against the one that the map has of the node. Two
// processes on copies of one directory must not both be the node.
//
// An earlier start at the newcomer's own address is gone: it could not have bound
// it. But addresses are what processes say of themselves, and a cloned machine says
// the same. So the address counts only where the earlier start's connections to
// this coordinator are gone too (connected), which the death of a process brings
// about at once; or where it has been silent anyway.
//
// That the earlier start is silent does not prove that it is dead: what Register
// does allows for that. Contest returns the start that was found silent, zero where
// it is known to be gone.
func (d *Detector) Contest(now time.Duration, m *partition.Map, newcomer *partition.Node, connected bool) (Contest, partition.Start) {
	d.observe(now, m)
	key := ProcessOf(newcomer)
	known, again := m.Node(newcomer.ID)
	same := again && newcomer.SameAddress(known)
	switch {
	case !again, ProcessOf(known) == key, // it is the first, or the same
		same && (!connected || d.silent(now, ProcessOf(known))), // it is gone
		!same && known.Store != newcomer.Store:                  // Register refuses it
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

// silent reports whether the last heartbeat of the process is older than the
// suspicion time. One that has only just connected is not silent.
func (d *Detector) silent(now time.Duration, p Process) bool {
	b := d.boots[p]
	return b != nil && now-b.last > d.config.Suspicion
}
