package main

import (
	"errors"
	"fmt"
)

// Exit codes, as the manual promises them.
const (
	exitOK           = 0
	exitFailure      = 1 // of a server; of a data command: the key is absent
	exitUsage        = 2
	exitPrecondition = 3
	exitNotApplied   = 4 // and never will be
	exitUnknown      = 5 // a write, or a command to the coordinators, may or may not have been applied
	exitDegraded     = 6 // status: a partition has no primary, or too few replicas
)

// exit ends a command with a code and nothing more to say.
type exit int

// Error implements error.
func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// coded is an error with the exit code that goes with it.
type coded struct {
	error
	code int
}

// Unwrap returns the error without its code.
func (c coded) Unwrap() error { return c.error }

// usage marks an error as the user's: a flag, a variable or a file is wrong.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return coded{err, exitUsage}
}

func codeOf(err error) int {
	var plain exit
	var with coded
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &plain):
		return int(plain)
	case errors.As(err, &with):
		return with.code
	}
	return exitFailure
}
