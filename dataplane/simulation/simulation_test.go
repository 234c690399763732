package simulation

import (
	"flag"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"
)

var (
	seedFlag = flag.Uint64("seed", 0, "TestReplay: the seed of the schedule to run again")
	seeds    = flag.Int("seeds", 0, "TestFreshSeeds: how many schedules; default $HOLDFAST_SEEDS, or as many as fit into the budget")
)

// freshBudget bounds TestFreshSeeds where nobody says how many are wanted.
const (
	freshSeeds  = 200
	freshBudget = 10 * time.Second
)

// TestFreshSeeds runs schedules that nobody has run before.
func TestFreshSeeds(t *testing.T) {
	t.Parallel()
	count, budget := *seeds, time.Duration(0)
	if n, err := strconv.Atoi(os.Getenv("HOLDFAST_SEEDS")); err == nil && count == 0 {
		count = n
	}
	if count == 0 {
		count, budget = freshSeeds, freshBudget
	}
	base := uint64(time.Now().UnixNano())
	t.Logf("base seed %d", base)
	began := time.Now()
	var (
		wait     sync.WaitGroup
		mu       sync.Mutex
		next     uint64
		coverage Coverage
	)
	for range 2 {
		wait.Go(func() {
			for {
				mu.Lock()
				stop := t.Failed() || next >= uint64(count) || budget > 0 && time.Since(began) > budget
				seed := base + next
				next++
				mu.Unlock()
				if stop {
					return
				}
				r := Run(Options{Seed: seed})
				mu.Lock()
				coverage.Add(&r.Coverage)
				if r.Failure != "" {
					t.Errorf("seed %d: %s\nreplay: go test ./dataplane/simulation -run TestReplay -seed=%d -v", seed, r.Failure, seed)
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	t.Logf("%d calls, %d acknowledged writes, %d faults", coverage.Calls(), coverage.Acknowledged(), coverage.Faults())
}

// TestReplay runs the schedule of -seed again and shows its last events; of
// seed 1 where none is named, so that replaying always works.
func TestReplay(t *testing.T) {
	t.Parallel()
	r := Run(Options{Seed: max(*seedFlag, 1), Trace: true})
	if len(r.Trace) == 0 {
		t.Error("no events to show")
	}
	for _, line := range r.Trace {
		t.Log(line)
	}
	if r.Failure != "" {
		t.Errorf("seed %d: %s", r.Seed, r.Failure)
	}
}

// TestSameSeedSameSchedule checks that a schedule is a function of its seed.
func TestSameSeedSameSchedule(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		a, b := Run(Options{Seed: seed + 1}), Run(Options{Seed: seed + 1, Trace: true})
		a.Coverage[historiesUndecided], b.Coverage[historiesUndecided] = 0, 0 // in real time
		if a.Hash != b.Hash || a.Coverage != b.Coverage || a.Failure != b.Failure {
			t.Errorf("seed %d: two runs differ: %x %q, %x %q", seed+1, a.Hash, a.Failure, b.Hash, b.Failure)
		}
	}
}

// TestScheduleIsWorthIt checks that schedules contain what they are run for.
func TestScheduleIsWorthIt(t *testing.T) {
	t.Parallel()
	var sum Coverage
	const schedules = 90
	for seed := range uint64(schedules) {
		r := Run(Options{Seed: seed + 100})
		sum.Add(&r.Coverage)
	}
	if sum.Calls() < 200*schedules || sum.Faults() < 10*schedules {
		t.Errorf("%d schedules have %d calls and %d faults, want 200 and 10 each", schedules, sum.Calls(), sum.Faults())
	}
	for _, c := range []counter{
		tookOver, primaryMoved, replicaRemoved, replicaAdded, hadEligible, snapshotInstalled, snapshotResumed, snapshotUnaware, faultInterruption, learnersThrottled, lostUnsynced, forwarded, readHere,
		sentFetches, sentRejects, sentReleases, turnedRound, answeredFailed, answeredShort, outcomeUnknown, unavailable, faultCoordinatorsRestored, faultHistoryOvertaken, faultRestoredMarked, inputsBatched, notCompared, mapRecovered,
		adminRepeated, adminAnswersLost, adminAttemptsLate, adminSettled, adminRefused, adminUnknown,
	} {
		if sum[c] == 0 {
			t.Errorf("no schedule has any %s", counterNames[c])
		}
	}
}

// TestKnownSeeds runs schedules that once broke a promise, by what was wrong.
// Each such fault has its own test beside the code that had it, for a change of
// the code gives a seed another schedule.
func TestKnownSeeds(t *testing.T) {
	t.Parallel()
	for _, known := range []struct {
		name string
		seed uint64
	}{
		{"a learner whose log is longer than the window is never sent anything", 95},
		{"each rejection of a pipeline sends the whole pipeline again", 67},
		{"an older flush replaces the file of a snapshot", 413},
		{"a replica that comes and goes stays out below min-in-sync", 101261},
		{"a damaged copy is taken for rightly absent", 4001563},
		{"a registration of a wiped disk comes late", 5009359},
		{"the only copy's node starts again after the faults, and its values live longer", 1795813031784351980},
	} {
		t.Run(known.name, func(t *testing.T) {
			t.Parallel()
			if r := Run(Options{Seed: known.seed}); r.Failure != "" {
				t.Errorf("%s\nreplay: %s", r.Failure, r.Replay())
			}
		})
	}
}
