// Command bench measures Holdfast beside a three-member etcd and a bare HTTP
// handler: in one run, by the same load generator, in interleaved rounds, with
// the idle competitors stopped. `make bench` runs it; it asserts nothing but
// that no request failed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == handlerCommand {
		if err := serveHandler(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

// plan is what is to be measured.
type plan struct {
	connections []int
	rounds      int
	duration    time.Duration
	warmUp      time.Duration
	keys        int
	valueSize   int
	put, get    bool
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	var p plan
	connections := flags.String("connections", "1,64,256,1024", "numbers of connections, spread over all nodes")
	flags.IntVar(&p.rounds, "rounds", 3, "interleaved rounds")
	flags.DurationVar(&p.duration, "duration", 3*time.Second, "of one measurement")
	flags.DurationVar(&p.warmUp, "warm-up", time.Second, "before each measurement, not counted")
	flags.IntVar(&p.keys, "keys", 100_000, "random keys")
	flags.IntVar(&p.valueSize, "value-size", 100, "bytes")
	operations := flags.String("operations", "put,get", "put, get or both")
	systems := flags.String("systems", "holdfast,etcd,handler", "what to measure")
	dir := flags.String("dir", "", "where the data goes; default a temporary directory")
	nodeFlags := flags.String("node-flags", "", "more flags for Holdfast's nodes, separated by spaces")
	jsonPath := flags.String("json", "", "also write the figures to this file")
	keep := flags.Bool("keep", false, "keep data and logs")
	if err := flags.Parse(args); err != nil {
		return err
	}
	for _, text := range strings.Split(*connections, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return fmt.Errorf("connections %q: want numbers above 0", *connections)
		}
		p.connections = append(p.connections, n)
	}
	p.put, p.get = strings.Contains(*operations, "put"), strings.Contains(*operations, "get")
	if !p.put && !p.get {
		return fmt.Errorf("operations %q: want put, get or both", *operations)
	}
	if *dir == "" {
		made, err := os.MkdirTemp("", "holdfast-bench-")
		if err != nil {
			return err
		}
		*dir = made
		if !*keep {
			defer os.RemoveAll(made)
		}
	}

	started, err := startSystems(ctx, strings.Split(*systems, ","), *dir, strings.Fields(*nodeFlags))
	defer func() {
		for _, s := range started {
			s.close()
		}
	}()
	if err != nil {
		return err
	}
	describeMachine(os.Stdout, *dir, p)
	figures, err := measureAll(ctx, p, started)
	report(os.Stdout, p, started, figures)
	if err == nil && *jsonPath != "" {
		err = writeJSON(*jsonPath, figures)
	}
	return err
}

func writeJSON(path string, figures []*figure) error {
	out, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(out, '\n'), 0o644)
}
