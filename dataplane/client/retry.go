package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// patience is how long one server may take while there are others to ask: it may
// have been stopped. It grows with each attempt.
const patience = 2 * time.Second

// do carries out the call: at one server after another, until one has answered
// for good, or the deadline ends it. A write may go out again though an earlier
// attempt has an unknown outcome, for all have one Idempotency-Key; only success
// is believed then.
func (c *Client) do(ctx context.Context, k *call) (*answer, error) {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	start := time.Now()
	servers, target := c.route(ctx, k)
	pause := &backoff.ExponentialBackOff{InitialInterval: 10 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 500 * time.Millisecond}
	pause.Reset()
	var last, doubt error
	met := false // anybody, so far
	for attempts := 1; ; attempts++ {
		server := servers[(attempts-1)%len(servers)]
		a, err := c.once(ctx, server, k, attempts, len(servers) > 1)
		if target != "" && server == target {
			c.direct.learn(a, err, k.write)
		}
		if a != nil {
			a.way.Took, a.way.Attempts = time.Since(start), attempts
		}
		if err == nil {
			return a, nil
		}
		err = doubted(doubt, err)
		if errors.Is(err, ErrOutcomeUnknown) {
			doubt = err
		}
		met = met || !errors.Is(err, errUnsent)
		again := (errors.Is(err, ErrNotApplied) || errors.Is(err, ErrOutcomeUnknown)) && worthAnother(err) &&
			(met || !c.failFast || attempts < len(servers))
		if !again || ctx.Err() != nil {
			return a, prefer(ctx, last, err)
		}
		last = err
		// Every server once at once; then with pauses.
		wait := time.Duration(0)
		if attempts >= len(servers) {
			wait = pause.NextBackOff()
		}
		wait = max(wait, asked(err))
		// An attempt that the deadline would cut off could only make a certain
		// outcome an unknown one.
		if deadline, _ := ctx.Deadline(); k.write && time.Until(deadline) < wait+grace {
			return a, err
		}
		if wait == 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return a, err
		case <-timer.C:
		}
	}
}

// doubted is what an attempt's failure means after one of unknown outcome: that
// may still be on its way to be applied, whatever the later one was told.
func doubted(doubt, err error) error {
	var e *Error
	if doubt == nil || !errors.As(err, &e) || errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	unknown := *e
	unknown.Kind, unknown.Cause = ErrOutcomeUnknown, doubt
	return &unknown
}

// asked is how long an overloaded server, or one whose disk is nearly full, asks
// to be left alone, and a little longer, so that not everybody comes back at
// once. Another server would say the same: it is the partition's replicas that
// have no room, as a rule.
func asked(err error) time.Duration {
	var e *Error
	if !errors.As(err, &e) {
		return 0
	}
	switch e.Status {
	case http.StatusConflict:
		return e.RetryAfter / 10 // the first attempt is about to end
	case http.StatusTooManyRequests, http.StatusInsufficientStorage:
	default:
		return 0
	}
	return e.RetryAfter + rand.N(e.RetryAfter/4+1)
}

// retryAfter reads the header in its form of whole seconds.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(h.Get("Retry-After"), 10, 16)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// prefer returns what tells more: an attempt that the deadline cut before it was
// sent says less than the one before it.
func prefer(ctx context.Context, last, err error) error {
	var e *Error
	if last != nil && ctx.Err() != nil && errors.As(err, &e) && e.Status == 0 && errors.Is(err, ErrNotApplied) {
		return last
	}
	return err
}

// once makes one attempt and says what its end means.
func (c *Client) once(ctx context.Context, server string, k *call, number int, others bool) (*answer, error) {
	if others {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience*time.Duration(number))
		defer cancel()
	}
	a, err := c.attempt(ctx, server, k)
	e := &Error{Operation: k.operation, Key: k.key}
	if err != nil {
		e.Cause, e.Kind = err, ErrOutcomeUnknown
		if !k.write || errors.Is(err, errUnsent) {
			e.Kind = ErrNotApplied
		}
		return nil, e
	}
	if a.status/100 == 2 {
		return a, nil
	}
	e.Status, e.ETag = a.status, a.header.Get("ETag")
	e.Code, e.Detail = a.problem()
	e.RetryAfter = retryAfter(a.header)
	switch {
	case a.status == http.StatusNotFound && e.Code == "key-not-found":
		e.Kind = ErrNotFound
		return a, e
	case a.status == http.StatusPreconditionFailed:
		e.Kind = ErrPrecondition
	case k.write && (a.status == http.StatusGatewayTimeout || a.status/100 == 5 && e.Code == ""):
		// An error page of something in between says nothing of the write.
		e.Kind = ErrOutcomeUnknown
	default:
		e.Kind = ErrNotApplied
	}
	return nil, e
}

// worthAnother reports whether another attempt may do better than one that was
// not applied.
func worthAnother(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case 0, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests,
		http.StatusInsufficientStorage,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
