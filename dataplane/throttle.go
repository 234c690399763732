package dataplane

import (
	"context"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// throttleBurst is how many bytes may go at once, after a pause; throttlePiece how
// many are waited for at a time, so that a change of the rate is soon felt.
const (
	throttleBurst = 1 << 20
	throttlePiece = 64 << 10
)

// throttle bounds what this node sends of snapshots, in bytes a second. It is
// changed while streams are under way.
type throttle struct {
	limiter *rate.Limiter
	now     atomic.Int64 // what it is set to; 0: no bound
}

func newThrottle() *throttle {
	return &throttle{limiter: rate.NewLimiter(rate.Inf, throttleBurst)}
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
}

// wait waits until so many bytes may be sent.
func (t *throttle) wait(ctx context.Context, bytes int) error {
	for bytes > 0 {
		n := min(bytes, throttlePiece)
		if err := t.limiter.WaitN(ctx, n); err != nil {
			return err
		}
		bytes -= n
	}
	return nil
}
