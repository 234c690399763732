// Command elastic measures what it takes for a node to get its share: a cluster
// of four nodes is filled, one more joins under a steady load, one is drained, and
// one is killed and comes back. It prints what it sees; it asserts nothing.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "elastic:", err)
		stop()
		os.Exit(1)
	}
}

// measurement is what is to be measured, and on what.
type measurement struct {
	keys, valueSize, connections int
	rate                         float64
	throttle                     int64
	atOnce, atOnceEach           int
	cluster                      *cluster.Cluster
	dialect                      load.Dialect
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("elastic", flag.ContinueOnError)
	var m measurement
	flags.IntVar(&m.keys, "keys", 1<<20, "keys, all of which are written first")
	flags.IntVar(&m.valueSize, "value-size", 1000, "bytes")
	flags.IntVar(&m.connections, "connections", 16, "of the steady load, half reads")
	flags.Float64Var(&m.rate, "rate", 200, "requests a second of the steady load; 0: as many as it gets answered")
	flags.Int64Var(&m.throttle, "throttle", partition.DefaultRebalance.Throttle, "bytes a second from each node; 0: none")
	flags.IntVar(&m.atOnce, "at-once", partition.DefaultRebalance.AtOnce, "moves at once")
	flags.IntVar(&m.atOnceEach, "at-once-each", partition.DefaultRebalance.AtOnceEach, "moves at once that one node has to do with")
	nodeFlags := flags.String("node-flags", "", "more flags for the nodes, separated by spaces")
	dir := flags.String("dir", "", "where the data goes, and stays; default a temporary directory")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if m.dialect, err = load.DialectOf("holdfast"); err != nil {
		return err
	}
	options := cluster.Options{Dir: *dir, Nodes: 4, Spare: 1, NodeFlags: strings.Fields(*nodeFlags)}
	return cluster.With(ctx, options, func(c *cluster.Cluster) error {
		m.cluster = c
		return m.measure(ctx)
	})
}

func (m *measurement) measure(ctx context.Context) error {
	filling := m.load()
	filling.Connections, filling.Rate, filling.InOrder, filling.Count, filling.Reads = 64, 0, true, uint64(m.keys), 0
	filled, err := load.Run(ctx, filling)
	if err != nil {
		return err
	}
	fmt.Printf("%d values of %d bytes written in %.0f s, 3 replicas each, on 4 nodes\n", m.keys, m.valueSize, filled.Elapsed.Seconds())
	if err := m.order(ctx, "/v1/rebalance", map[string]any{"throttle": m.throttle, "at_once": m.atOnce, "at_once_each": m.atOnceEach}); err != nil {
		return err
	}
	quiet, err := m.during(ctx, func(ctx context.Context) error { return after(ctx, 10*time.Second) })
	if err != nil {
		return err
	}
	m.tell("quiet", quiet, nil)
	joined, err := m.during(ctx, func(ctx context.Context) error {
		if _, err := m.cluster.Join(); err != nil {
			return err
		}
		return m.settled(ctx, 5)
	})
	if err != nil {
		return err
	}
	m.tell("n5 joins", joined, quiet)
	drained, err := m.during(ctx, func(ctx context.Context) error {
		if err := m.order(ctx, "/v1/nodes/n2/drain", map[string]any{}); err != nil {
			return err
		}
		return m.settled(ctx, 4)
	})
	if err != nil {
		return err
	}
	m.tell("n2 is drained", drained, quiet)
	return m.returns(ctx)
}

// load is the steady load, on the nodes that there are from the beginning.
func (m *measurement) load() load.Config {
	c := load.Config{
		Connections: m.connections, Rate: m.rate, Reads: 0.5, Duration: time.Hour, Keys: m.keys, KeyPrefix: "key-", ValueSize: m.valueSize,
		Timeout: 15 * time.Second, Threads: 1, Seed: 1, Dialect: m.dialect,
	}
	for _, n := range m.cluster.Nodes[:4] {
		c.Targets = append(c.Targets, n.HTTP)
	}
	return c
}

// during runs the load for as long as something takes.
func (m *measurement) during(ctx context.Context, do func(ctx context.Context) error) (*load.Result, error) {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	type outcome struct {
		result *load.Result
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		r, err := load.Run(loading, m.load())
		ended <- outcome{r, err}
	}()
	done := do(ctx)
	stop()
	o := <-ended
	if o.result == nil {
		return nil, errors.Join(done, o.err)
	}
	return o.result, done
}

// settled waits until so many nodes hold something, all as much, and nothing is
// left to move.
func (m *measurement) settled(ctx context.Context, nodes int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	return m.cluster.Wait(ctx, "nothing to be left to move", func(ctx context.Context) error {
		p, err := m.cluster.Partitions(ctx)
		if err != nil {
			return err
		}
		held := map[partition.NodeID]int{}
		for _, one := range p.Partitions {
			for _, r := range one.Replicas {
				held[r]++
			}
		}
		counts := slices.Collect(maps.Values(held))
		if len(counts) != nodes || slices.Max(counts)-slices.Min(counts) > 1 {
			return fmt.Errorf("nodes hold %v", held)
		}
		var plan mapjson.Plan
		if err := m.cluster.Coordinators[0].Ask(ctx, "/v1/plan", &plan); err != nil {
			return err
		}
		if left := plan.Underway + len(plan.Moves); left > 0 {
			return fmt.Errorf("%d moves", left)
		}
		return nil
	})
}

func (m *measurement) order(ctx context.Context, path string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+m.cluster.Coordinators[0].HTTP+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s: %s", path, response.Status)
	}
	return nil
}

func (m *measurement) tell(what string, r, quiet *load.Result) {
	fmt.Printf("%-14s %6.1f s  %6.0f requests a second", what, r.Elapsed.Seconds(), r.Rate())
	for _, h := range []struct {
		name        string
		now, before func(*load.Result) *load.Histogram
	}{
		{"PUT", func(r *load.Result) *load.Histogram { return &r.Puts }, nil},
		{"GET", func(r *load.Result) *load.Histogram { return &r.Gets }, nil},
	} {
		p99 := h.now(r).Quantile(0.99)
		fmt.Printf("   %s p99 %v, longest %v", h.name, p99.Round(100*time.Microsecond), h.now(r).Max().Round(time.Millisecond))
		if quiet != nil {
			fmt.Printf(" (%.1f times the quiet p99)", float64(p99)/float64(h.now(quiet).Quantile(0.99)))
		}
	}
	fmt.Printf("   %d errors\n", r.Failed())
}

func after(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
