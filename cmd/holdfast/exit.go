package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-io/holdfast/coordinator/client"
)

// Exit codes, as exitCodes explains them.
const (
	exitOK           = 0
	exitFailure      = 1
	exitUsage        = 2
	exitPrecondition = 3
	exitNotApplied   = 4
	exitUnknown      = 5
	exitDegraded     = 6
	exitRefused      = 7
	exitRemoved      = 8
)

// exitCodes is the table of the help and of docs/operations.md.
var exitCodes = []struct {
	code            int
	by, means, then string
}{
	{exitOK, "all", "done; a server was told to end, and did", ""},
	{exitFailure, "all", "failed; of a data command: the key is absent", "a server may be started again"},
	{exitUsage, "all", "a flag, a variable or a file is wrong", "correct it"},
	{exitPrecondition, "put, delete, admin commands", "the condition does not hold, or the coordinators refuse the command", ""},
	{exitNotApplied, "all but node, coordinator, dev", "not answered, or not applied", "repeat it"},
	{exitUnknown, "put, delete, admin commands", "it may have been applied, or may yet be", "repeat it with the same idempotency key or operation ID"},
	{exitDegraded, "status", "a partition has no primary, or too few replicas; a node or a coordinator is not well; the map is frozen", ""},
	{exitRefused, "node, dev", "the coordinators refuse this start of the node: another start of it took its place or runs, or its data directory is the wrong one", "do not restart it automatically; read the reason in the log"},
	{exitRemoved, "node", "the node was removed from the cluster with this data directory", "do not restart it; an empty directory makes it a new node"},
}

// exitHelp is exitCodes for the help of a command.
func exitHelp() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n\n")
	for _, c := range exitCodes {
		fmt.Fprintf(&b, "  %d  %s: %s", c.code, c.by, c.means)
		if c.then != "" {
			fmt.Fprintf(&b, " (%s)", c.then)
		}
		b.WriteString("\n")
	}
	return b.String()
}

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
	var refused *client.RefusedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &plain):
		return int(plain)
	case errors.As(err, &with):
		return with.code
	case errors.As(err, &refused) && refused.Removed:
		return exitRemoved
	case errors.As(err, &refused) && !refused.Waits:
		return exitRefused
	}
	return exitFailure
}
