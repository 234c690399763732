// Command powerloss takes the power from a whole cluster of real processes at one
// instant, again and again, under load: what no process had synced is gone. Then
// it checks that every acknowledged write is there. `make powerloss` runs it, as
// root: it mounts a file system (scripts/internal/powerfs). Exit codes: 0 nothing
// was lost, 1 something was, or something broke; 2 void: too little happened to
// say anything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

type config struct {
	losses     int
	nodes      int
	partitions int
	seed       uint64
	sync       time.Duration
	restore    int
	dir        string
	binary     string
	keep       bool
	patience   time.Duration
	sabotage   string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := command(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "powerloss:", err)
	}
	os.Exit(code)
}

func command(ctx context.Context, args []string) (code int, err error) {
	var c config
	flags := flag.NewFlagSet("powerloss", flag.ContinueOnError)
	flags.IntVar(&c.losses, "losses", 20, "how often the power is lost; with a sabotage at most")
	flags.IntVar(&c.nodes, "nodes", 5, "data nodes")
	flags.IntVar(&c.partitions, "partitions", 16, "partitions")
	flags.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()%1e9), "of the losses and requests; processes run as they like all the same")
	flags.DurationVar(&c.sync, "sync", 2*time.Millisecond, "how long an fsync takes")
	flags.IntVar(&c.restore, "restore", 10, "how many losses there are for one after which the coordinators' directories come from an earlier backup; 0: none does")
	flags.StringVar(&c.dir, "dir", "", "for data, logs and history; default a temporary directory")
	flags.StringVar(&c.binary, "binary", "", "the program; default bin/holdfast")
	flags.BoolVar(&c.keep, "keep", false, "keep logs and history also of a good run")
	flags.DurationVar(&c.patience, "patience", 2*time.Minute, "how long the cluster may take to be whole again, and the checker for one key")
	flags.StringVar(&c.sabotage, "sabotage", "", "break what keeps data durable, which must be noticed: "+sabotageNames()+", or all of them, one after another: all")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, err
		}
		return 2, err
	}
	if c.binary == "" {
		if c.binary, err = cluster.Binary(); err != nil {
			return 2, err
		}
	}
	if c.sabotage != "" {
		return c.sabotages(ctx)
	}
	code, r, err := c.temporary(ctx, func(ctx context.Context, c config) (int, *results, error) { return c.run(ctx, nil) })
	if r != nil {
		r.print(os.Stdout)
	}
	return code, err
}

// temporary runs with a directory, which is kept where the run was no good.
func (c config) temporary(ctx context.Context, run func(context.Context, config) (int, *results, error)) (code int, r *results, err error) {
	made := c.dir == ""
	if made {
		if c.dir, err = os.MkdirTemp("", "holdfast-powerloss-"); err != nil {
			return 2, nil, err
		}
	}
	code, r, err = run(ctx, c)
	if code == 0 && err == nil && made && !c.keep {
		return code, r, os.RemoveAll(c.dir)
	}
	fmt.Printf("Logs and history are in %s\n", c.dir)
	return code, r, err
}
