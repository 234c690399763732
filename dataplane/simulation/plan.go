package simulation

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Fault is one of a schedule's faults, by its number. Some come to nothing, for
// there was nobody to suffer them.
type Fault struct {
	Number int
	At     time.Duration // since the schedule began
	What   string
}

// planned is what is known of a schedule's faults. They draw from sources of
// their own: without some of them, the rest of the schedule begins as it was.
type planned struct {
	when      *rand.Rand // faults come
	nextFault int        // its number
	keep      []int      // the only faults that happen; nil: all
	happened  []Fault
}

func newPlanned(seed uint64, keep []int) planned {
	return planned{when: rand.New(rand.NewPCG(seed, 0xbf58476d1ce4e5b9)), keep: keep}
}

// drawing runs do with another random source.
func (s *scheduler) drawing(from *rand.Rand, do func()) {
	usual := s.random
	s.random = from
	do()
	s.random = usual
}

// faults lets bursts of faults come until the cluster is to heal.
func (w *world) faults() {
	if w.quiet {
		return
	}
	w.drawing(w.when, func() {
		gap := time.Duration(0)
		for range 1 + w.pick(w.profile.burstSize) {
			number := w.nextFault
			w.nextFault++
			w.after(gap, func() { w.plannedFault(number) })
			gap += w.around(w.profile.faultGap)
		}
		w.after(gap+w.around(w.profile.burstEvery), w.faults)
	})
}

func (w *world) plannedFault(number int) {
	if w.quiet || w.now < w.back.calm || w.keep != nil && !slices.Contains(w.keep, number) {
		return
	}
	own := rand.New(rand.NewPCG(w.seed, 0x94d049bb133111eb+uint64(number)))
	w.drawing(own, func() { w.fault(number) })
}

func (w *world) drawFault() int {
	sum := 0.0
	for _, x := range w.profile.weights {
		sum += x
	}
	x := w.random.Float64() * sum
	for kind, weight := range w.profile.weights {
		if x < weight {
			return kind
		}
		x -= weight
	}
	return pause
}
