package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// judge notes what the client's error says of an operation. It returns an error
// where the client may not say that.
func judge(o *history.Operation, err error) error {
	o.Outcome = history.Applied
	if err == nil {
		return nil
	}
	o.Detail = err.Error()
	kind := err
	var e *client.Error
	if errors.As(err, &e) {
		kind = e.Kind // an earlier attempt's error is wrapped too
	}
	conditional := o.Kind == history.Create || o.Kind == history.Swap
	switch {
	case errors.Is(kind, client.ErrNotFound) && o.Kind == history.Get:
		o.Detail = ""
		return nil
	case errors.Is(kind, client.ErrPrecondition) && conditional:
		o.Outcome, o.Detail = history.ConditionFailed, ""
	case errors.Is(kind, client.ErrNotApplied), e == nil && errors.Is(err, context.DeadlineExceeded):
		o.Outcome = history.NotApplied
	case errors.Is(kind, client.ErrOutcomeUnknown) && o.IsWrite():
		o.Outcome = history.Unknown
	default:
		o.Outcome = history.Unknown
		return fmt.Errorf("%s at %.3f s: no such result is documented: %w", o, o.Call.Seconds(), err)
	}
	return nil
}

// sendAgain sends a write once more, with its Idempotency-Key. The repetition of an
// acknowledged write must get the same answer. Of a write of unknown outcome it may
// tell the outcome.
func (c *caller) sendAgain(o *history.Operation, timeout time.Duration, options []client.Option) error {
	if o.Outcome != history.Applied && o.Outcome != history.Unknown {
		return nil // it is not remembered: it could be applied now
	}
	second := *o
	second.ETag, second.Found, second.Detail = "", false, ""
	if err := c.send(&second, max(timeout, time.Second), options); err != nil {
		return err
	}
	switch second.Outcome {
	case history.NotApplied, history.Unknown:
		return nil // no answer
	case history.ConditionFailed:
		if o.Outcome == history.Applied {
			return fmt.Errorf("%s at %.3f s: its repetition was told that the condition does not hold", o, o.Call.Seconds())
		}
		return nil // the first may yet be applied
	}
	c.repeats.Add(1)
	if o.Outcome == history.Unknown {
		second.Call = o.Call
		*o = second
		return nil
	}
	if second.ETag != o.ETag || second.Found != o.Found {
		return fmt.Errorf("%s at %.3f s: answer ETag %s, existed %v; its repetition got ETag %s, existed %v",
			o, o.Call.Seconds(), o.ETag, o.Found, second.ETag, second.Found)
	}
	return nil
}
