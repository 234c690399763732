// Command load drives Holdfast, etcd's HTTP gateway or any handler with
// Holdfast's paths, and prints what it measured.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sort"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/load"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	c := load.Config{}
	targets := flags.String("targets", "localhost:7070", "host:port of the servers, separated by commas")
	dialect := flags.String("dialect", "holdfast", "holdfast or etcd")
	flags.IntVar(&c.Connections, "connections", 64, "keep-alive connections, spread over the servers")
	flags.Float64Var(&c.Rate, "rate", 0, "requests begun in a second, evenly; 0: each connection's next when the last is answered")
	flags.Float64Var(&c.Reads, "reads", 0, "share of reads, 0 (writes only) to 1 (reads only)")
	flags.DurationVar(&c.Duration, "duration", 10*time.Second, "how long")
	flags.Uint64Var(&c.Count, "count", 0, "how many requests, instead of a duration")
	flags.IntVar(&c.Keys, "keys", 100_000, "number of keys")
	flags.BoolVar(&c.InOrder, "in-order", false, "every key in turn rather than at random")
	flags.StringVar(&c.KeyPrefix, "key-prefix", "key-", "what every key begins with")
	flags.IntVar(&c.ValueSize, "value-size", 100, "bytes")
	flags.DurationVar(&c.Timeout, "timeout", 15*time.Second, "of one request")
	flags.IntVar(&c.Threads, "threads", 2, "threads of the generator")
	flags.Uint64Var(&c.Seed, "seed", uint64(time.Now().UnixNano()), "of the random keys")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	var err error
	if c.Dialect, err = load.DialectOf(*dialect); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	c.Targets = strings.Split(*targets, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := load.Run(ctx, c)
	if result == nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if *asJSON {
		err = json.NewEncoder(os.Stdout).Encode(summary(result))
	} else {
		print(result)
	}
	if err != nil || result.Failed() > 0 {
		return 1
	}
	return 0
}

func print(r *load.Result) {
	fmt.Printf("%d requests in %.1f s: %.0f a second\n", r.Operations(), r.Elapsed.Seconds(), r.Rate())
	for _, l := range []struct {
		name string
		h    *load.Histogram
	}{{"PUT", &r.Puts}, {"GET", &r.Gets}} {
		if l.h.Count() > 0 {
			fmt.Printf("%s  %9d   p50 %8v   p99 %8v   max %8v\n", l.name, l.h.Count(),
				l.h.Quantile(0.5).Round(time.Microsecond), l.h.Quantile(0.99).Round(time.Microsecond), l.h.Max().Round(time.Microsecond))
		}
	}
	if r.Misses > 0 {
		fmt.Printf("%d reads found no value\n", r.Misses)
	}
	kinds := make([]string, 0, len(r.Errors))
	for kind := range r.Errors {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	for _, kind := range kinds {
		fmt.Printf("failed: %d (%s)\n", r.Errors[kind], kind)
	}
}

func summary(r *load.Result) map[string]any {
	latency := func(h *load.Histogram) map[string]any {
		return map[string]any{"count": h.Count(), "p50_us": h.Quantile(0.5).Microseconds(),
			"p99_us": h.Quantile(0.99).Microseconds(), "max_us": h.Max().Microseconds()}
	}
	return map[string]any{"seconds": r.Elapsed.Seconds(), "rate": r.Rate(), "put": latency(&r.Puts),
		"get": latency(&r.Gets), "misses": r.Misses, "errors": r.Errors}
}
