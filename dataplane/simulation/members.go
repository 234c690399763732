package simulation

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// The coordinators' group has members: those that vote. Of each is known up to
// where it has the log on its disk. What is committed is on most voters' disks, and
// who is elected has all that most voters have; a disk that is lost is replaced, as
// an operator does it.

// voters counts the members that vote, and those of them that run.
func (r *raft) voters() (all, up int) {
	for _, c := range r.w.coordinators {
		if c.voter {
			all++
			if c.up {
				up++
			}
		}
	}
	return all, up
}

// quorate reports whether most voters run.
func (r *raft) quorate() bool {
	all, up := r.voters()
	return up > all/2
}

// store puts what is about to be committed on the disks of the leader and of as
// many others as it takes. The rest come later.
func (r *raft) store() {
	all, _ := r.voters()
	need := all/2 + 1
	leader := r.w.coordinators[r.leader]
	leader.stored = r.index
	need--
	for at := range r.w.coordinators {
		c := r.w.coordinators[(r.leader+1+at)%coordinators]
		if need > 0 && c != leader && c.voter && c.up {
			c.stored = r.index
			need--
		}
	}
}

// elect returns a voter that gets most votes: each gives its own to who has as much
// of the log, and who lost its disk gives none.
func (r *raft) elect() (winner int, ok bool) {
	all, _ := r.voters()
	first := r.w.pick(coordinators)
	for at := range coordinators {
		i := (first + at) % coordinators
		candidate := r.w.coordinators[i]
		if !candidate.voter || !candidate.up {
			continue
		}
		votes := 0
		for _, c := range r.w.coordinators {
			if c.voter && c.up && c.stored <= candidate.stored {
				votes++
			}
		}
		if votes <= all/2 {
			continue
		}
		if candidate.stored < r.index {
			r.w.fail("coordinator %d leads with %d of the %d commands that are committed", i, candidate.stored, r.index)
		}
		return i, true
	}
	return 0, false
}

// loseCoordinator loses a coordinator's disk: one at a time.
func (w *world) loseCoordinator() {
	for _, c := range w.coordinators {
		if !c.voter || c.lost {
			return
		}
	}
	c := w.coordinators[w.pick(coordinators)]
	w.coverage[faultCoordinatorLost]++
	w.logf("coordinator %d loses its disk", c.index-len(w.nodes))
	c.stop()
	c.lost = true
	c.stored, c.m = 0, new(partition.Map)
	w.after(w.duration(3*time.Second), func() { w.removeCoordinator(c) })
}

// place is a coordinator's ID, as the state machine knows it.
func (c *coordinator) place() string { return fmt.Sprintf("c%d", c.index-len(c.w.nodes)+1) }

// removeCoordinator takes a lost one out of the group, as soon as somebody leads,
// and can reach most of those that stay.
func (w *world) removeCoordinator(c *coordinator) {
	r := w.raft
	all, up := r.voters() // the lost one does not run
	if r.leader < 0 || up <= (all-1)/2 {
		w.after(300*time.Millisecond, func() { w.removeCoordinator(c) })
		return
	}
	c.voter = false
	r.store() // the change of members is an entry of its own
	w.coverage[coordinatorRemoved]++
	w.logf("%s is removed", c.place())
	r.propose(state.SeatFor(r.machine.Seats(), c.place(), 0))
	w.after(w.between(100*time.Millisecond, 2*time.Second), func() { w.addCoordinator(c) })
}

// addCoordinator gives the place to an empty directory. It counts as a voter from
// then on, and has the log a little later.
func (w *world) addCoordinator(c *coordinator) {
	r := w.raft
	if r.leader < 0 || !r.quorate() {
		w.after(300*time.Millisecond, func() { w.addCoordinator(c) })
		return
	}
	w.coverage[coordinatorAdded]++
	w.logf("%s is added", c.place())
	r.propose(state.SeatFor(r.machine.Seats(), c.place(), partition.StoreID(w.random.Uint64()|1)))
	c.voter, c.lost = true, false
	c.start()
}

// checkCoordinators fails the schedule where a lost coordinator was not replaced.
func (w *world) checkCoordinators() {
	for _, c := range w.coordinators {
		if !c.voter || c.lost {
			w.fail("STUCK: %s was not replaced", c.place())
		}
	}
}
