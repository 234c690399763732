package simulation

import (
	"math/rand/v2"
	"time"
)

// instant is true time: nanoseconds since the schedule began. Only the
// simulator knows it; the state machines see their own node's clock.
type instant int64

func (t instant) add(d time.Duration) instant { return t + instant(d) }

// event is something that happens at an instant. Events of one instant happen
// in the order in which they were made.
type event struct {
	at  instant
	tie uint64
	run func()
}

// scheduler owns virtual time, the events to come, and the only random source
// of a schedule: the same seed always gives the same schedule.
type scheduler struct {
	now    instant
	tie    uint64
	events []event // binary heap
	random *rand.Rand
}

func newScheduler(seed uint64) *scheduler {
	return &scheduler{random: rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15))}
}

func (a *event) before(b *event) bool {
	return a.at < b.at || a.at == b.at && a.tie < b.tie
}

// after makes run happen d from now.
func (s *scheduler) after(d time.Duration, run func()) { s.at(s.now.add(d), run) }

// at makes run happen at t, or now if t has passed.
func (s *scheduler) at(t instant, run func()) {
	s.tie++
	h := append(s.events, event{at: max(t, s.now), tie: s.tie, run: run})
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up].before(&h[i]) {
			break
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
	s.events = h
}

// step lets the next event happen, unless it lies beyond end.
func (s *scheduler) step(end instant) bool {
	h := s.events
	if len(h) == 0 || h[0].at > end {
		return false
	}
	next := h[0]
	last := len(h) - 1
	h[0] = h[last]
	h[last] = event{}
	h = h[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && h[down].before(&h[least]) {
				least = down
			}
		}
		if least == i {
			break
		}
		h[least], h[i] = h[i], h[least]
		i = least
	}
	s.events = h
	s.now = next.at
	next.run()
	return true
}

// chance is true with probability p.
func (s *scheduler) chance(p float64) bool { return s.random.Float64() < p }

// between draws a duration evenly from the range.
func (s *scheduler) between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(s.random.Int64N(int64(high-low)))
}

// around draws a duration with the mean given, as rare events are apart.
func (s *scheduler) around(mean time.Duration) time.Duration {
	return time.Duration(s.random.ExpFloat64() * float64(mean))
}

// pick draws an index below n.
func (s *scheduler) pick(n int) int { return s.random.IntN(n) }
