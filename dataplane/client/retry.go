package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// resendFor is how long after the first attempt that may have been applied a
// write may still be sent. The servers keep its Idempotency-Key for 10 minutes
// of logged time. That is 8.2 minutes of ours where our clock is 10 % slow and
// theirs is 10 % fast. The rest is for what is still on its way then: no server is
// asked to wait beyond this time, but a network may hold bytes back.
const resendFor = 6 * time.Minute

var (
	errKeyForgotten = errors.New("the servers may have forgotten its Idempotency-Key, so it is not sent again")
	errNoTimeLeft   = fmt.Errorf("too little time is left for another attempt: %w", context.DeadlineExceeded)
)

// doubt is what is known of a write's earlier attempts: one may have been
// applied, or may yet be.
type doubt struct {
	of    *Error    // of the first such attempt; nil: there is none
	since time.Time // when that began
}

// add takes an attempt's failure, and returns what it means after the earlier
// ones: if one of these may yet be applied, a later one's word says nothing of it.
func (d *doubt) add(e *Error, began time.Time) *Error {
	switch {
	case errors.Is(e.Kind, ErrOutcomeUnknown):
		if d.of == nil {
			d.of, d.since = e, began
		}
		return e
	case d.of == nil:
		return e
	}
	unknown := *e
	unknown.Kind, unknown.Cause = ErrOutcomeUnknown, d.of
	return &unknown
}

// left is for how long the write may still be sent. A clock that stood still
// while the machine slept does not make it longer.
func (d *doubt) left() time.Duration {
	if d.of == nil {
		return math.MaxInt64
	}
	now := time.Now()
	return resendFor - max(now.Sub(d.since), now.Round(0).Sub(d.since.Round(0)))
}

// do carries out the call: at one server after another, until one has answered
// for good, or the deadline ends it. A write may go out again though an earlier
// attempt has an unknown outcome, for all have one Idempotency-Key; only success
// is believed then.
func (c *Client) do(ctx context.Context, k *call) (*answer, error) {
	if e := k.invalid(); e != nil {
		return nil, e
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	start := time.Now()
	servers, target := c.route(ctx, k)
	pause := &backoff.ExponentialBackOff{InitialInterval: 10 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 500 * time.Millisecond}
	pause.Reset()
	var earlier doubt
	var last *Error
	met := false // anybody, so far
	for attempts := 1; ; attempts++ {
		server, began := servers[(attempts-1)%len(servers)], time.Now()
		a, e := c.within(ctx, &earlier, server, k, attempts, len(servers) > 1)
		if target != "" && server == target {
			c.direct.learn(a, e, k.write)
		}
		if a != nil {
			a.way.Took, a.way.Attempts = time.Since(start), attempts
		}
		if e == nil {
			return a, nil
		}
		met = met || !errors.Is(e, errUnsent) && (k.write || !e.hopeless())
		e = earlier.add(e, began)
		if !e.again || !met && c.failFast && attempts >= len(servers) {
			return a, e
		}
		if ctx.Err() != nil {
			return a, prefer(last, e).because(ended(ctx))
		}
		last = e
		// Every server once at once; then with pauses.
		wait := time.Duration(0)
		if attempts >= len(servers) {
			wait = pause.NextBackOff()
		}
		if err := c.pause(ctx, k, &earlier, max(wait, asked(e))); err != nil {
			return a, e.because(err)
		}
	}
}

// within makes an attempt that ends before the servers may have forgotten an
// earlier one.
func (c *Client) within(ctx context.Context, earlier *doubt, server string, k *call, number int, others bool) (*answer, *Error) {
	if earlier.of != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, earlier.left(), errKeyForgotten)
		defer cancel()
	}
	return c.once(ctx, server, k, number, others)
}

// pause waits until the next attempt. An error says why there is to be none.
func (c *Client) pause(ctx context.Context, k *call, earlier *doubt, wait time.Duration) error {
	if earlier.left() <= wait {
		return errKeyForgotten
	}
	// An attempt that the deadline would cut off could only make a certain
	// outcome an unknown one.
	if deadline, _ := ctx.Deadline(); k.write && time.Until(deadline) < wait+grace {
		return errNoTimeLeft
	}
	if wait == 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ended(ctx)
	case <-timer.C:
	}
	if earlier.left() <= 0 { // the machine slept
		return errKeyForgotten
	}
	return nil
}

// ended is why the context has ended: its error, and the cause that its owner gave.
func ended(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// asked is how long an overloaded server, or one whose disk is nearly full, asks
// to be left alone, and a little longer, so that not everybody comes back at
// once. Another server would say the same: it is the partition's replicas that
// have no room, as a rule.
func asked(e *Error) time.Duration {
	switch e.Status {
	case http.StatusConflict:
		return e.RetryAfter / 10 // the first attempt is about to end
	case http.StatusTooManyRequests, http.StatusInsufficientStorage:
	default:
		return 0
	}
	return e.RetryAfter + rand.N(e.RetryAfter/4+1)
}

// prefer returns what tells more: an attempt that the deadline cut before it was
// sent says less than the one before it.
func prefer(last, e *Error) *Error {
	if last != nil && e.Status == 0 && errors.Is(e.Kind, ErrNotApplied) {
		return last
	}
	return e
}
