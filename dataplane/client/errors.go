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
	// ErrNotApplied: the operation was not applied, and never will be. Of a read:
	// there is no answer.
	ErrNotApplied = errors.New("not applied")
	// ErrOutcomeUnknown: the write may have been applied, or may yet be. The
	// connection broke, something that is no node answered, the same write is
	// being worked on for another caller, or the servers do not know.
	ErrOutcomeUnknown = errors.New("outcome unknown")
)

// Error tells of an operation what the server said of it, or why there is no
// answer. It wraps one of the sentinels above, and Cause. Where the caller's
// context ended the operation, it wraps that context's error too.
type Error struct {
	Operation string // "put", ...
	Key       string
	Status    int // of the answer, whoever gave it; 0 without one
	// RetryAfter is how long the server asks to wait before another attempt.
	RetryAfter time.Duration
	Code       string // the problem's stable code; "" where no Holdfast server gave the answer
	Detail     string // in words
	ETag       string // of the current value; with ErrPrecondition, if there is one
	Kind       error  // one of the sentinels
	Cause      error  // why there is no answer; may be nil

	again   bool  // another attempt may do better
	foreign bool  // the answer was not a Holdfast server's
	ended   error // why there was no other attempt; nil: none was wanted
}

// because adds why there is no other attempt.
func (e *Error) because(err error) *Error {
	out := *e
	out.ended = err
	return &out
}

// Error implements error.
func (e *Error) Error() string {
	text := e.words()
	if e.ended != nil && !errors.Is(e.Cause, e.ended) {
		text += "; given up: " + e.ended.Error()
	}
	subject := e.Operation
	if e.Key != "" {
		subject += fmt.Sprintf(" %q", e.Key)
	}
	return fmt.Sprintf("%s: %v: %s", subject, e.Kind, text)
}

// words is what is known, without the operation and the kind.
func (e *Error) words() string {
	text := e.Detail
	if text == "" {
		text = e.Code
	}
	if e.Code != "" {
		text = fmt.Sprintf("%s (%d %s)", text, e.Status, e.Code)
	}
	var earlier *Error
	switch {
	case errors.As(e.Cause, &earlier) && text == "":
		return earlier.words()
	case earlier != nil: // what this attempt was told is not true of that one
		return earlier.words() + "; a later attempt was told: " + text
	case e.Cause != nil && text == "":
		return e.Cause.Error()
	}
	return text
}

// Unwrap returns the sentinel, the cause and why there was no other attempt.
func (e *Error) Unwrap() []error {
	out := []error{e.Kind}
	for _, err := range []error{e.Cause, e.ended} {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}
