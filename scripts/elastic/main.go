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

// quietFor is for how long the load is measured alone before each change, and
// restFor for how long no node has written a table to its file before that: what
// came last has made work that is not over when it is.
const (
	quietFor = 20 * time.Second
	restFor  = 3 * time.Second
	// askEvery is how often the cluster is asked whether all is done: on two
	// processors the answers, of the whole map and a plan, are a load too.
	askEvery = 2 * time.Second
)

// measurement is what is to be measured, and on what.
type measurement struct {
	keys, valueSize, connections int
	rate                         float64
	throttle                     int64
	atOnce, atOnceEach, rounds   int
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
	flags.IntVar(&m.rounds, "rounds", 1, "how often a node is drained; in between it is taken in again")
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
	if err := m.step(ctx, "n5 joins", 5, func(context.Context) error { _, err := m.cluster.Join(); return err }); err != nil {
		return err
	}
	for round := range m.rounds {
		if round > 0 {
			if err := m.step(ctx, "n2 is taken in", 5, func(ctx context.Context) error { return m.order(ctx, "/v1/nodes/n2/undrain", map[string]any{}) }); err != nil {
				return err
			}
		}
		if err := m.step(ctx, "n2 is drained", 4, func(ctx context.Context) error { return m.order(ctx, "/v1/nodes/n2/drain", map[string]any{}) }); err != nil {
			return err
		}
	}
	return m.returns(ctx)
}

// step measures the load before a change and during it, until so many nodes hold
// something.
func (m *measurement) step(ctx context.Context, what string, nodes int, change func(context.Context) error) error {
	if err := m.rest(ctx); err != nil {
		return err
	}
	quiet, err := m.during(ctx, func(ctx context.Context) error { return after(ctx, quietFor) })
	if err != nil {
		return err
	}
	m.tell("quiet", quiet, nil)
	r, err := m.during(ctx, func(ctx context.Context) error {
		if err := change(ctx); err != nil {
			return err
		}
		return m.settled(ctx, nodes)
	})
	if err != nil {
		return err
	}
	m.tell(what, r, quiet)
	return nil
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

// phase is what the load saw while something went on, and what that took.
type phase struct {
	*load.Result
	processors float64 // that the cluster's processes kept busy
}

// during runs the load for as long as something takes.
func (m *measurement) during(ctx context.Context, do func(ctx context.Context) error) (*phase, error) {
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
	before := m.cpu()
	done := do(ctx)
	used := m.cpu() - before
	stop()
	o := <-ended
	if o.result == nil {
		return nil, errors.Join(done, o.err)
	}
	return &phase{o.result, used.Seconds() / o.result.Elapsed.Seconds()}, done
}

// cpu is what the cluster's processes have used so far.
func (m *measurement) cpu() (sum time.Duration) {
	for _, one := range m.cluster.Members() {
		if used, err := one.CPU(); err == nil { // one that has just begun has nothing to tell
			sum += used
		}
	}
	return sum
}

// settled waits until so many nodes hold something, all as much, and nothing is
// left to move.
func (m *measurement) settled(ctx context.Context, nodes int) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	var asked time.Time
	err := errors.New("not asked yet")
	return m.cluster.Wait(ctx, "nothing to be left to move", func(ctx context.Context) error {
		if time.Since(asked) >= askEvery {
			err, asked = m.unsettled(ctx, nodes), time.Now()
		}
		return err
	})
}

// unsettled is what nodes hold, or what is left to move, if it is not right.
func (m *measurement) unsettled(ctx context.Context, nodes int) error {
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
}

// rest waits until the nodes have nothing left to do but to wait for requests.
func (m *measurement) rest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	last, since := -1.0, time.Now()
	return m.cluster.Wait(ctx, "flushes to end", func(ctx context.Context) error {
		flushes := 0.0
		for _, n := range m.cluster.Nodes {
			of, err := n.Metrics(ctx)
			if err != nil {
				return err
			}
			flushes += of["holdfast_storage_flushes_total"]
		}
		if flushes != last {
			last, since = flushes, time.Now()
		}
		if time.Since(since) < restFor {
			return fmt.Errorf("the last was %v ago", time.Since(since).Round(time.Second))
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

func (m *measurement) tell(what string, r, quiet *phase) {
	fmt.Printf("%-14s %6.1f s  %6.0f requests a second  %4.2f processors", what, r.Elapsed.Seconds(), r.Rate(), r.processors)
	for _, h := range []struct {
		name string
		of   func(*phase) *load.Histogram
	}{
		{"PUT", func(p *phase) *load.Histogram { return &p.Puts }},
		{"GET", func(p *phase) *load.Histogram { return &p.Gets }},
	} {
		p99 := h.of(r).Quantile(0.99)
		fmt.Printf("   %s p50 %v, p99 %v, longest %v", h.name, h.of(r).Quantile(0.5).Round(100*time.Microsecond), p99.Round(100*time.Microsecond), h.of(r).Max().Round(time.Millisecond))
		if quiet != nil {
			fmt.Printf(" (%.1f times the quiet p99)", float64(p99)/float64(h.of(quiet).Quantile(0.99)))
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
