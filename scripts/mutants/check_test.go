package main

import (
	"errors"
	"strings"
	"testing"
)

// The verdict of a run comes from what go test printed: a change that does not
// compile, or tests that did not run, prove nothing.
func TestJudge(t *testing.T) {
	t.Parallel()
	failed := errors.New("exit status 1")
	for name, c := range map[string]struct {
		out         string
		err         error
		noticed, by string
	}{
		"passed":       {"ok  \tpkg\t0.1s\n", nil, "no", ""},
		"a test":       {"    --- FAIL: TestA/b (0.1s)\n--- FAIL: TestA (0.1s)\nFAIL\n", failed, "yes", "TestA/b"},
		"too long":     {"panic: test timed out after 4m0s\n", failed, "yes", "time limit"},
		"a panic":      {"panic: closed twice\n\ngoroutine 7:\nFAIL\tpkg\t0.1s\n", failed, "yes", "panic"},
		"a leak":       {"goleak: Errors on successful test run\nFAIL\tpkg\t0.1s\n", failed, "yes", "leak"},
		"not compiled": {"x.go:1: undefined: y\nFAIL\tpkg [build failed]\n", failed, "error", ""},
		"did not run":  {"", failed, "error", ""},
	} {
		got := judge(c.out, c.err)
		noticed := "no"
		switch {
		case got.err != nil:
			noticed = "error"
		case got.noticed:
			noticed = "yes"
		}
		if noticed != c.noticed || !strings.Contains(got.by, c.by) {
			t.Errorf("%s: noticed %s by %q, want %s by %q", name, noticed, got.by, c.noticed, c.by)
		}
	}
}

// The command fails for a change that should be noticed and is not, and for a run
// that proves nothing; not for one whose row says why nothing notices it.
func TestWhatFailsTheCommand(t *testing.T) {
	t.Parallel()
	excused := mutant{name: "b", file: "p/b.go", unnoticed: "a reason"}
	for name, c := range map[string]struct {
		m    mutant
		o    outcome
		fail bool
	}{
		"noticed":     {mutant{name: "a", file: "p/a.go"}, outcome{noticed: true}, false},
		"not noticed": {mutant{name: "a", file: "p/a.go"}, outcome{}, true},
		"excused":     {excused, outcome{}, false},
		"no proof":    {excused, outcome{err: errors.New("does not compile")}, true},
	} {
		var table strings.Builder
		if err := summarize(&table, []mutant{c.m}, []outcome{c.o}); (err != nil) != c.fail {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(table.String(), "| p | 1 |") {
			t.Errorf("%s: the table is\n%s", name, table.String())
		}
	}
}
