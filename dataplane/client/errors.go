package client

import (
	"errors"
	"fmt"
	"time"
)

// What an operation can fail with. Every error of this package wraps one of
// them, but those of arguments and of a context that ended before anything was
// sent.
var (
	// ErrNotFound: the key has no value.
	ErrNotFound = errors.New("key not found")
	// ErrPrecondition: the condition does not hold; nothing was applied.
	ErrPrecondition = errors.New("precondition failed")
	// ErrNotApplied: the operation was not applied, and never will be.
	ErrNotApplied = errors.New("not applied")
	// ErrOutcomeUnknown: the write may have been applied, or may yet be.
	ErrOutcomeUnknown = errors.New("outcome unknown")
)

// Error tells of an operation what the server said of it, or why there is no
// answer. It wraps one of the sentinels above, and Cause.
type Error struct {
	Operation string // "put", ...
	Key       string
	Status    int // of the answer; 0 without one
	// RetryAfter is how long the server asks to wait before another attempt.
	RetryAfter time.Duration
	Code       string // the problem's stable code
	Detail     string // in words
	ETag       string // of the current value; with ErrPrecondition, if there is one
	Kind       error  // one of the sentinels
	Cause      error  // why there is no answer; may be nil
}

// Error implements error.
func (e *Error) Error() string {
	text := e.Detail
	switch {
	case text == "" && e.Cause != nil:
		text = e.Cause.Error()
	case text == "":
		text = e.Code
	}
	if e.Status != 0 {
		text = fmt.Sprintf("%s (%d %s)", text, e.Status, e.Code)
	}
	subject := e.Operation
	if e.Key != "" {
		subject += fmt.Sprintf(" %q", e.Key)
	}
	return fmt.Sprintf("%s: %v: %s", subject, e.Kind, text)
}

// Unwrap returns the sentinel and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}
