package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/overlay"
)

// check runs the packages' tests against each change of the table.
type check struct {
	pkg, only string
	parallel  int
	timeout   time.Duration
	control   bool
	result    io.Writer

	mu sync.Mutex // guards writes to result
}

// outcome is what the tests of a package said about one change.
type outcome struct {
	noticed bool
	by      string // the first test that failed, or how else it was noticed
	took    time.Duration
	err     error // the run proves nothing
}

// run prints a row for each change and a summary for each package. It fails if a
// change that tests should notice passes, or if a test run proves nothing.
func (c *check) run(all []mutant) error {
	chosen := c.choose(all)
	if c.control {
		if err := c.controls(chosen); err != nil {
			return err
		}
	}
	fmt.Fprint(c.result, "| package | change | noticed | by | seconds |\n|---|---|---|---|---|\n")
	outcomes := make([]outcome, len(chosen))
	var wg sync.WaitGroup
	turns := make(chan struct{}, c.parallel)
	for i := range chosen {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			outcomes[i] = c.plant(&chosen[i])
			c.print(&chosen[i], &outcomes[i])
		})
	}
	wg.Wait()
	return summarize(c.result, chosen, outcomes)
}

func (c *check) choose(all []mutant) (chosen []mutant) {
	for _, m := range all {
		if strings.HasPrefix(m.name, c.only) && (c.pkg == "" || c.pkg == m.pkg()) {
			chosen = append(chosen, m)
		}
	}
	return chosen
}

// controls runs the tests of each package as they are. A package whose tests fail
// without a change would notice everything.
func (c *check) controls(chosen []mutant) error {
	checked := map[string]bool{}
	for i := range chosen {
		pkg := chosen[i].pkg()
		if checked[pkg] {
			continue
		}
		checked[pkg] = true
		if o := c.test(pkg); o.err != nil || o.noticed {
			return fmt.Errorf("%s without a change: failed by %s: %w", pkg, o.by, errors.Join(errControl, o.err))
		}
	}
	return nil
}

var errControl = errors.New("the tests must pass before they can notice anything")

// plant runs the tests of a change's package with the change in place.
func (c *check) plant(m *mutant) outcome {
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return outcome{err: err}
	}
	defer os.RemoveAll(dir)
	edited, err := overlay.Write(dir, []overlay.Edit{{File: m.file, Old: m.old, New: m.new}})
	if err != nil {
		return outcome{err: err}
	}
	return c.test(m.pkg(), "-overlay", edited)
}

// test runs a package's own tests until the first failure.
func (c *check) test(pkg string, flags ...string) outcome {
	// The test binary's own time limit comes first: its trace says where it hung.
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout+time.Minute)
	defer cancel()
	args := append([]string{"test", "-count=1", "-failfast", "-vet=off", "-timeout", c.timeout.String()}, flags...)
	start := time.Now()
	out, err := exec.CommandContext(ctx, "go", append(args, "./"+pkg)...).CombinedOutput()
	o := judge(string(out), err)
	o.took = time.Since(start)
	return o
}

var (
	failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	notBuilt   = regexp.MustCompile(`\[(build|setup) failed\]`)
)

// judge reads the verdict of a test run from its output and exit.
func judge(out string, err error) outcome {
	switch {
	case err == nil:
		return outcome{}
	case notBuilt.MatchString(out):
		return outcome{err: fmt.Errorf("the change does not compile: %w\n%s", err, out)}
	case strings.Contains(out, "panic: test timed out"):
		return outcome{noticed: true, by: "the time limit"}
	}
	if failed := failedTest.FindStringSubmatch(out); failed != nil {
		return outcome{noticed: true, by: "`" + failed[1] + "`"}
	}
	if strings.Contains(out, "panic: ") || strings.Contains(out, "fatal error: ") || strings.Contains(out, "\nFAIL") {
		return outcome{noticed: true, by: "a panic or a leak"}
	}
	return outcome{err: fmt.Errorf("the tests did not run: %w\n%s", err, out)}
}
