// Command mutants plants careless changes in the sources, one at a time, and
// runs the tests of the package they are in: does any test notice? The compiler
// reads edited copies, the sources stay as they are.
//
//	go run ./scripts/mutants
//	go run ./scripts/mutants -package transport -only urgent
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run() error {
	c := check{result: os.Stdout}
	flag.StringVar(&c.pkg, "package", "", "only changes in this package, as dataplane/storage")
	flag.StringVar(&c.only, "only", "", "only changes whose name begins so")
	flag.IntVar(&c.parallel, "parallel", 1, "test runs at the same time, 1 or 2: tests that wait for time limits fail on a busy machine")
	flag.DurationVar(&c.timeout, "timeout", 4*time.Minute, "of one test run; a run that takes longer has noticed the change")
	flag.BoolVar(&c.control, "control", true, "first run each package's tests without a change")
	flag.Parse()
	if c.parallel < 1 || c.parallel > 2 {
		return fmt.Errorf("-parallel %d: want 1 or 2", c.parallel)
	}
	return c.run(allMutants())
}
