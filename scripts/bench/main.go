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
	"slices"
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
	operations  []string // PUT, GET, MIX
}

// operationNames are what may be measured: MIX is half PUTs, half GETs.
var operationNames = []string{"PUT", "GET", "MIX"}

// operationsOf reads the list of -operations; the order is always the same.
func operationsOf(text string) (out []string, err error) {
	asked := strings.Split(strings.ToUpper(text), ",")
	for _, name := range asked {
		if !slices.Contains(operationNames, name) {
			return nil, fmt.Errorf("operations %q: want some of put, get, mix", text)
		}
	}
	for _, name := range operationNames {
		if slices.Contains(asked, name) {
			out = append(out, name)
		}
	}
	return out, nil
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
	operations := flags.String("operations", "put,get", "some of put, get and mix, which is half of each")
	nodes := flags.Int("nodes", 3, "Holdfast's nodes")
	tables := flags.Bool("tables", false, "measure Holdfast alone, as -table-keys, -table-nodes and -table-values change one after another")
	var of grid
	flags.StringVar(&of.keys, "table-keys", "100000,1000000", "with -tables: numbers of keys")
	flags.StringVar(&of.nodes, "table-nodes", "3,5,9", "with -tables: numbers of nodes")
	flags.StringVar(&of.values, "table-values", "100,1024,8192", "with -tables: bytes of a value; many connections with larger ones meet 429, for the log is quicker than the files: 65536 with -connections 8")
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
	var err error
	if p.operations, err = operationsOf(*operations); err != nil {
		return err
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

	if *tables {
		return measureTables(ctx, os.Stdout, p, of, *dir, strings.Fields(*nodeFlags))
	}
	started, err := startSystems(ctx, strings.Split(*systems, ","), *dir, *nodes, strings.Fields(*nodeFlags))
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
