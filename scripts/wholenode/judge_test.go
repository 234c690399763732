package main

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// TestAClientsErrorsAreBelievedAsDocumented: each sentinel has one meaning, and a
// result that the operation cannot have is told.
func TestAClientsErrorsAreBelievedAsDocumented(t *testing.T) {
	t.Parallel()
	unknown := &client.Error{Kind: client.ErrOutcomeUnknown}
	for _, test := range []struct {
		kind history.Kind
		err  error
		want history.Outcome
		bad  bool
	}{
		{kind: history.Put, want: history.Applied},
		{kind: history.Get, err: &client.Error{Kind: client.ErrNotFound}, want: history.Applied},
		{kind: history.Put, err: &client.Error{Kind: client.ErrNotFound}, bad: true},
		{kind: history.Create, err: &client.Error{Kind: client.ErrPrecondition}, want: history.ConditionFailed},
		{kind: history.Put, err: &client.Error{Kind: client.ErrPrecondition}, bad: true}, // it had no condition
		{kind: history.Put, err: &client.Error{Kind: client.ErrNotApplied}, want: history.NotApplied},
		{kind: history.Put, err: unknown, want: history.Unknown},
		{kind: history.Get, err: unknown, bad: true},
		{kind: history.Create, err: &client.Error{Kind: client.ErrOutcomeUnknown, Cause: &client.Error{Kind: client.ErrPrecondition}}, want: history.Unknown},
		{kind: history.Put, err: fmt.Errorf("never sent: %w", context.DeadlineExceeded), want: history.NotApplied},
		{kind: history.Put, err: errors.New("an error that is not the client's"), bad: true},
	} {
		o := history.Operation{Kind: test.kind}
		err := judge(&o, test.err)
		if (err != nil) != test.bad || !test.bad && o.Outcome != test.want {
			t.Errorf("%s with %v: %s, %v", test.kind, test.err, o.Outcome, err)
		}
	}
}
