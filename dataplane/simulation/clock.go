package simulation

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// clock is a machine's steady clock. Its rate stays within 10 % of true and may
// change on the way; readings of two machines have nothing in common.
type clock struct {
	since instant      // when rate was set
	base  replica.Time // what the clock showed then
	rate  float64
}

// rates are drawn from: the edges of what is allowed find the most.
var rates = []float64{0.905, 0.95, 1, 1, 1.05, 1.095}

func (w *world) newClock() clock {
	return clock{
		since: w.now,
		base:  replica.Time(w.between(time.Second, 1000*time.Hour)),
		rate:  w.drawRate(),
	}
}

func (w *world) drawRate() float64 {
	if !w.profile.skew {
		return 1
	}
	return rates[w.pick(len(rates))]
}

// read returns what the clock shows at an instant.
func (c *clock) read(at instant) replica.Time {
	return c.base + replica.Time(float64(at-c.since)*c.rate)
}

// change gives the clock another rate from now on, without a jump.
func (c *clock) change(now instant, rate float64) {
	c.base, c.since, c.rate = c.read(now), now, rate
}

// until returns how much true time passes before the clock shows t.
func (c *clock) until(now instant, t replica.Time) time.Duration {
	left := t - c.read(now)
	if left <= 0 {
		return 0
	}
	return time.Duration(float64(left)/c.rate) + 1
}
