// Command wholenode runs whole clusters in one process, round after round: real
// coordinators, real data nodes on a network in memory, and the real client. It
// harms them, records what the clients saw, and has porcupine judge that.
//
//	go run ./scripts/wholenode -minutes 10
//	go run ./scripts/wholenode -rounds 1 -seed 77
//	go run ./scripts/wholenode -plan -seed 77
//
// The cluster of a round, its faults and what each client draws are functions of
// the seed. Raft, leases and the network run in real time, so the interleaving is
// not: the same seed may not fail twice. Exit codes: 0 nothing found, 1 something.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"go.uber.org/goleak"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "wholenode:", err)
		os.Exit(1)
	}
}

type config struct {
	seed    uint64
	minutes float64
	rounds  int
	load    time.Duration
	timeout time.Duration
	dir     string
	keep    bool
	plan    bool
}

func run(ctx context.Context, args []string) error {
	var c config
	flags := flag.NewFlagSet("wholenode", flag.ContinueOnError)
	flags.Uint64Var(&c.seed, "seed", 0, "of the first round; each further round has the next; default: drawn from the clock")
	flags.Float64Var(&c.minutes, "minutes", 1, "for how long rounds begin")
	flags.IntVar(&c.rounds, "rounds", 0, "how many rounds, in place of -minutes")
	flags.DurationVar(&c.load, "load", 20*time.Second, "how long a round's cluster is loaded and harmed")
	flags.DurationVar(&c.timeout, "check-timeout", 20*time.Second, "of the checker, for one key")
	flags.StringVar(&c.dir, "dir", "", "for data, logs and histories; default a temporary directory")
	flags.BoolVar(&c.keep, "keep", false, "keep logs and histories also of good rounds")
	flags.BoolVar(&c.plan, "plan", false, "only print the plan of the seed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if c.seed == 0 {
		c.seed = uint64(time.Now().UnixNano())
	}
	if c.plan {
		p := newPlan(c.seed, c.load)
		p.print(os.Stdout)
		return nil
	}
	fmt.Printf("seed %d\n", c.seed)
	temporary := c.dir == ""
	if temporary {
		var err error
		if c.dir, err = os.MkdirTemp("", "holdfast-wholenode-"); err != nil {
			return err
		}
	}
	err := c.runRounds(ctx)
	if err == nil && temporary && !c.keep {
		return os.RemoveAll(c.dir)
	}
	return err
}

// runRounds runs rounds until the time is over or one finds something.
func (c *config) runRounds(ctx context.Context) error {
	until := time.Now().Add(time.Duration(c.minutes * float64(time.Minute)))
	keys, undecided := 0, 0
	for i := 0; ctx.Err() == nil; i++ {
		if c.rounds > 0 && i == c.rounds || c.rounds == 0 && i > 0 && time.Now().After(until) {
			return enoughDecided(keys, undecided)
		}
		before := goleak.IgnoreCurrent()
		r := round{seed: c.seed + uint64(i), lasting: c.load, checkTimeout: c.timeout}
		r.dir = filepath.Join(c.dir, fmt.Sprintf("round-%d", r.seed))
		if err := os.MkdirAll(r.dir, 0o700); err != nil {
			return err
		}
		found := r.run(ctx)
		found.err = errors.Join(found.err, goleak.Find(before))
		if ctx.Err() != nil {
			break
		}
		fmt.Println(found.line())
		if !found.good() {
			found.print(os.Stdout)
			return errors.New("something was found")
		}
		keys, undecided = keys+found.verdict.Keys, undecided+len(found.verdict.Undecided)
		if !c.keep {
			if err := os.RemoveAll(r.dir); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// enoughDecided reports more keys that the checker could not decide in time than
// one in a hundred: what was not judged proves nothing.
func enoughDecided(keys, undecided int) error {
	if undecided*100 > keys {
		return fmt.Errorf("%d of %d keys were not decided in time: want at most 1 %%", undecided, keys)
	}
	fmt.Printf("nothing found: %d keys judged, %d not decided in time\n", keys, undecided)
	return nil
}
