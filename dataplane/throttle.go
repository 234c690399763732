package dataplane

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// throttleAhead is the stretch of time whose bytes may go before it: at once after
// a pause, or to learners that need entries, before snapshots. It is short: on a
// busy machine everything else waits for what a burst takes. throttlePiece is how
// many bytes of a snapshot are waited for at a time, at most, so that a change of
// the rate is soon felt.
const (
	throttleAhead = 2 * tickInterval
	throttlePiece = 64 << 10
)

// piece is how many bytes of a snapshot are waited for at a time at a rate. They are
// reserved from then on: were that, for all snapshots under way together, as much
// as entries may go ahead by, nothing would ever be left for these.
func piece(bytes int64) int {
	if bytes <= 0 {
		return throttlePiece
	}
	return min(throttlePiece, max(1, ahead(bytes)/(2*(sendersAtOnce+resumedAtOnce))))
}

// throttle bounds what this node sends for copies, in bytes a second: snapshots, and
// the entries that a learner lacks that moves here. It is changed while they are
// under way.
type throttle struct {
	limiter *rate.Limiter
	now     atomic.Int64 // what it is set to; 0: no bound
}

func newThrottle() *throttle {
	return &throttle{limiter: rate.NewLimiter(rate.Inf, throttlePiece)}
}

// set bounds what is sent from now on; 0 is no bound.
func (t *throttle) set(bytes int64) {
	if t.now.Swap(bytes) == bytes {
		return
	}
	limit := rate.Inf
	if bytes > 0 {
		limit = rate.Limit(bytes)
	}
	t.limiter.SetLimit(limit)
	t.limiter.SetBurst(max(throttlePiece, ahead(bytes))) // never below a piece of an earlier rate
}

// ahead is how many bytes of a rate fall into throttleAhead.
func ahead(bytes int64) int { return int(float64(bytes) * throttleAhead.Seconds()) }

// wait waits until so many bytes may be sent.
func (t *throttle) wait(ctx context.Context, bytes int) error {
	for bytes > 0 {
		n := min(bytes, piece(t.now.Load()))
		if err := t.limiter.WaitN(ctx, n); err != nil {
			return err
		}
		bytes -= n
	}
	return nil
}

// take returns how many of so many bytes may be sent now, below zero where there
// is no bound. It does not wait; who waits does so the longer, for entries that a
// learner lacks are held in memory, and a snapshot is not.
func (t *throttle) take(bytes int) int {
	set := t.now.Load()
	if set <= 0 {
		return -1
	}
	now := time.Now()
	n := min(bytes, int(t.limiter.TokensAt(now))+ahead(set), t.limiter.Burst())
	if n <= 0 || !t.limiter.ReserveN(now, n).OK() {
		return 0
	}
	return n
}
