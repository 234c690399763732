package simulation

import (
	"slices"
	"testing"
	"time"
)

// TestShrink has a promise that two faults together break, among many.
func TestShrink(t *testing.T) {
	t.Parallel()
	guilty := []int{}
	adjust := func(w *world) {
		w.profile.burstEvery, w.profile.burstSize = time.Second, 4
		w.at(instant(20*time.Second), func() {
			met := 0
			for _, f := range w.happened {
				if f.Number == 3 || f.Number == 11 {
					met++
				}
			}
			if met == 2 {
				w.fail("faults 3 and 11 came both")
			}
		})
	}
	r, runs := shrink(Options{Seed: 5}, adjust)
	for _, f := range r.Faults {
		guilty = append(guilty, f.Number)
	}
	if !slices.Equal(guilty, []int{3, 11}) {
		t.Fatalf("faults %v are left after %d schedules: %s", guilty, runs, r.Failure)
	}
	if want := "go run ./scripts/simulate -seed 5 -trace -faults 3,11"; r.Replay() != want {
		t.Errorf("replay by %q, want %q", r.Replay(), want)
	}
	again := run(Options{Seed: 5, Keep: guilty}, adjust)
	if again.Failure != r.Failure || again.Hash != r.Hash {
		t.Errorf("again: %q, %x; first %q, %x", again.Failure, again.Hash, r.Failure, r.Hash)
	}
	if r, _ := Shrink(Options{Seed: 1}); r.Failure != "" {
		t.Errorf("seed 1: %s", r.Failure)
	}
}

// TestFaultsDoNotChangeWhatComesBefore: without a late fault a schedule is the
// same up to it.
func TestFaultsDoNotChangeWhatComesBefore(t *testing.T) {
	t.Parallel()
	all := Run(Options{Seed: 9})
	first := all.Faults[:len(all.Faults)/2]
	half := Run(Options{Seed: 9, Keep: numbers(first)})
	if !slices.Equal(half.Faults, first) {
		t.Errorf("the faults kept are %v, want %v", half.Faults, first)
	}
}
