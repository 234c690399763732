package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/simulation"
)

// search runs schedules of consecutive seeds until one of its limits is met.
type search struct {
	from, count uint64        // count 0: no limit
	until       time.Duration // 0: no limit
	stop        int
	shrink      bool // failing schedules, at once

	mu       sync.Mutex
	began    time.Time
	shown    time.Time
	next     uint64
	failures int
	coverage simulation.Coverage
}

func (s *search) run(workers int) error {
	fmt.Printf("first seed %d, %d at a time\n", s.from, workers)
	s.began = time.Now()
	s.shown = s.began
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for seed, ok := s.take(); ok; seed, ok = s.take() {
				s.report(simulation.Run(simulation.Options{Seed: seed}))
			}
		})
	}
	wait.Wait()
	fmt.Print(s.coverage.String())
	s.progress()
	if s.failures > 0 {
		return fmt.Errorf("%d of %d schedules broke a promise", s.failures, s.next)
	}
	if undecided, all := s.coverage.Undecided(); undecided*100 > all {
		return fmt.Errorf("%d of %d histories could not be judged in time: more than 1 %%", undecided, all)
	}
	return nil
}

// take returns the next seed, or false at the end.
func (s *search) take() (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count > 0 && s.next >= s.count || s.until > 0 && time.Since(s.began) > s.until || s.failures >= s.stop {
		return 0, false
	}
	s.next++
	return s.from + s.next - 1, true
}

func (s *search) report(r simulation.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coverage.Add(&r.Coverage)
	if r.Failure != "" {
		s.failures++
		fmt.Printf("seed %d: %s\n  replay: %s\n", r.Seed, r.Failure, r.Replay())
		if s.shrink {
			small, _ := simulation.Shrink(simulation.Options{Seed: r.Seed})
			fmt.Printf("  %d faults are enough: %s\n", len(small.Faults), small.Replay())
		}
	}
	if time.Since(s.shown) > 10*time.Second {
		s.shown = time.Now()
		s.progress()
	}
}

// progress prints one line; the caller holds mu, or is alone.
func (s *search) progress() {
	took := time.Since(s.began)
	fmt.Printf("%d schedules in %v (%.0f a minute), %d calls, %d writes acknowledged, %d faults, %d failures\n",
		s.next, took.Round(time.Second), float64(s.next)/took.Minutes(), s.coverage.Calls(), s.coverage.Acknowledged(), s.coverage.Faults(), s.failures)
}
