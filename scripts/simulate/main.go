// Command simulate runs schedules of the cluster simulator: many fresh ones, on
// all cores, or one again by its seed.
//
//	go run ./scripts/simulate -seeds 2000
//	go run ./scripts/simulate -minutes 10
//	go run ./scripts/simulate -seed 77 -trace
//	go run ./scripts/simulate -seed 77 -shrink
//	go run ./scripts/simulate -rules
//	go run ./scripts/simulate -rules -whole -rule R1
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/simulation"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(1)
	}
}

func run() error {
	var (
		one     = flag.Uint64("seed", 0, "run only the schedule of this seed")
		faults  = flag.String("faults", "", "with -seed: the numbers of the only faults that happen, or none")
		shrink  = flag.Bool("shrink", false, "with -seed: cut the schedule to the faults that it takes to fail")
		trace   = flag.Bool("trace", false, "with -seed: print the last events")
		lines   = flag.Int("lines", 300, "with -trace: how many events")
		from    = flag.Uint64("from", 0, "first seed; default: drawn from the clock")
		count   = flag.Uint64("seeds", 0, "how many schedules")
		minutes = flag.Float64("minutes", 0, "for how long")
		stop    = flag.Int("stop", 10, "end after this many failures")
		workers = flag.Int("workers", runtime.NumCPU(), "schedules at the same time")
		table   = flag.Bool("rules", false, "break each rule of the protocol in turn, and see how soon it shows")
		only    = flag.String("rule", "", "with -rules: only those that begin so")
		quick   = flag.Bool("quick", false, "with -rules: no schedules for a rule whose scenario fails without it")
		sample  = flag.Int("sample", 0, "with -rules: only so many, drawn at random, without the control")
		whole   = flag.Bool("whole", false, "with -rules: rounds of whole nodes (scripts/wholenode) in place of schedules; -seeds counts them")
		raw     = flag.Bool("raw", false, "do not cut failing schedules to what they need")
		tries   = flag.Int("tries", 5, "with -rules: how often, each with fresh seeds")
		profile = flag.String("cpuprofile", "", "write a CPU profile there")
	)
	flag.Parse()
	debug.SetGCPercent(400) // schedules live for milliseconds
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return fmt.Errorf("cpu profile: %w", err)
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return fmt.Errorf("cpu profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	if *one != 0 {
		keep, err := faultList(*faults)
		if err != nil {
			return err
		}
		o := simulation.Options{Seed: *one, Trace: *trace, Keep: keep}
		if *shrink {
			return shrinkOne(o)
		}
		return replay(o, *lines)
	}
	if *table && *count == 0 {
		*count = 500
		if *whole {
			*count = 10
		}
	}
	if *count == 0 && *minutes == 0 {
		*minutes = 1
	}
	if *table {
		c := rulesCheck{only: *only, seeds: *count, tries: *tries, quick: *quick, sample: *sample, whole: *whole, result: os.Stdout}
		return c.run()
	}
	if *from == 0 {
		*from = uint64(time.Now().UnixNano())
	}
	s := search{
		from: *from, count: *count, stop: *stop,
		until:  time.Duration(*minutes * float64(time.Minute)),
		shrink: !*raw,
	}
	return s.run(*workers)
}
