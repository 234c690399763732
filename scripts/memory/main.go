// Command memory measures what a node holds over time under writes, and how
// soon one that was killed is back in sync: a cluster of three nodes is filled,
// written to at random keys, and its nodes are killed under load, one after
// another. It prints what it sees; it asserts nothing.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "memory:", err)
		stop()
		os.Exit(1)
	}
}

// plan is what is to be measured.
type plan struct {
	keys, valueSize, connections int
	reads                        float64
	duration, interval           time.Duration
	kills                        int
	down                         time.Duration
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("memory", flag.ContinueOnError)
	var p plan
	flags.IntVar(&p.keys, "keys", 1_000_000, "keys, all of which are written first")
	flags.IntVar(&p.valueSize, "value-size", 100, "bytes")
	flags.IntVar(&p.connections, "connections", 64, "spread over all nodes")
	flags.Float64Var(&p.reads, "reads", 0, "share of reads after the filling, 0 to 1")
	flags.DurationVar(&p.duration, "duration", 10*time.Minute, "of the random writes after the filling")
	flags.DurationVar(&p.interval, "interval", 15*time.Second, "between two lines of figures")
	flags.IntVar(&p.kills, "kills", 3, "how often a node is killed under load afterwards")
	flags.DurationVar(&p.down, "down", 0, "how long a killed node stays away")
	partitions := flags.Int("partitions", 0, "default: the program's")
	nodeFlags := flags.String("node-flags", "", "more flags for the nodes, separated by spaces")
	dir := flags.String("dir", "", "where the data goes, and stays; default a temporary directory")
	jsonPath := flags.String("json", "", "also write the figures to this file")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" {
		made, err := os.MkdirTemp("", "holdfast-memory-")
		if err != nil {
			return err
		}
		*dir = made
		defer os.RemoveAll(made)
	}
	binary, err := cluster.Binary()
	if err != nil {
		return err
	}
	c, err := cluster.New(cluster.Options{Binary: binary, Dir: *dir, Partitions: *partitions, NodeFlags: strings.Fields(*nodeFlags)})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Start(); err != nil {
		return err
	}
	if err := c.WaitWhole(ctx); err != nil {
		return err
	}
	dialect, err := load.DialectOf("holdfast")
	if err != nil {
		return err
	}
	m := &measurement{plan: p, cluster: c, dialect: dialect}
	err = m.run(ctx)
	if err == nil && *jsonPath != "" {
		var out []byte
		if out, err = json.MarshalIndent(m.figures, "", "  "); err == nil {
			err = os.WriteFile(*jsonPath, append(out, '\n'), 0o644)
		}
	}
	return err
}
