// Command routing compares the two ways in which the Go client finds the node that
// can serve a request: server-side and direct. Both run in turn, on the same
// cluster, in the same run. It prints what it sees; it asserts nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "routing:", err)
		stop()
		os.Exit(1)
	}
}

// plan is what is to be measured.
type plan struct {
	nodes, keys, goroutines, rounds int
	round                           time.Duration
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("routing", flag.ContinueOnError)
	var p plan
	flags.IntVar(&p.nodes, "nodes", 5, "data nodes, of which three have a key")
	flags.IntVar(&p.keys, "keys", 10_000, "keys")
	flags.IntVar(&p.goroutines, "goroutines", 16, "that use one client")
	flags.IntVar(&p.rounds, "rounds", 4, "of each measurement, in turn")
	flags.DurationVar(&p.round, "duration", 3*time.Second, "of one round")
	if err := flags.Parse(args); err != nil {
		return err
	}
	return cluster.With(ctx, cluster.Options{Nodes: p.nodes}, func(c *cluster.Cluster) error { return p.compare(ctx, c) })
}

func (p *plan) compare(ctx context.Context, c *cluster.Cluster) error {
	var servers []string
	for _, n := range c.Nodes {
		servers = append(servers, n.HTTP)
	}
	routings := []struct {
		name string
		r    client.Routing
	}{{"server-side", client.ServerSide}, {"direct", client.Direct}}
	results := map[string]*result{}
	for round := range p.rounds {
		for _, write := range []bool{true, false} {
			for _, way := range routings {
				name := map[bool]string{true: "PUT", false: "GET"}[write] + " " + way.name
				if results[name] == nil {
					results[name] = &result{}
				}
				cl, err := client.New(client.Config{Servers: servers, Spread: true, Routing: way.r})
				if err != nil {
					return err
				}
				err = p.measure(ctx, c, cl, write, round, results[name])
				cl.Close()
				if err != nil {
					return err
				}
			}
		}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\trequests/s\thops\tp50\tp99\tCPU of the nodes\tCPU of the client")
	for _, operation := range []string{"PUT", "GET"} {
		for _, way := range routings {
			results[operation+" "+way.name].print(table, operation+" "+way.name)
		}
	}
	return table.Flush()
}

// result is what was measured of one kind of request, over all rounds.
type result struct {
	took         []time.Duration
	forwarded    int
	elapsed      time.Duration
	nodes, users time.Duration // CPU
}

func (p *plan) measure(ctx context.Context, c *cluster.Cluster, cl *client.Client, write bool, round int, r *result) error {
	nodes, err := used(c)
	if err != nil {
		return err
	}
	own := ownCPU()
	began := time.Now()
	var mu sync.Mutex
	var faults []error
	var working sync.WaitGroup
	for range p.goroutines {
		working.Go(func() {
			var took []time.Duration
			forwarded := 0
			value := []byte(strings.Repeat("x", 100))
			for time.Since(began) < p.round && ctx.Err() == nil {
				key := fmt.Sprintf("key-%d", rand.IntN(p.keys))
				at := time.Now()
				way, err := once(ctx, cl, key, value, write)
				if err != nil {
					mu.Lock()
					faults = append(faults, err)
					mu.Unlock()
					return
				}
				took = append(took, time.Since(at))
				if way.Role == "none" || write && way.Role == "replica" {
					forwarded++
				}
			}
			mu.Lock()
			defer mu.Unlock()
			if round > 0 || p.rounds == 1 { // the first warms up
				r.took, r.forwarded = append(r.took, took...), r.forwarded+forwarded
			}
		})
	}
	working.Wait()
	if len(faults) > 0 {
		return faults[0]
	}
	after, err := used(c)
	if err != nil {
		return err
	}
	if round > 0 || p.rounds == 1 {
		r.elapsed += time.Since(began)
		r.nodes += after - nodes
		r.users += ownCPU() - own
	}
	return ctx.Err()
}

func once(ctx context.Context, cl *client.Client, key string, value []byte, write bool) (client.Way, error) {
	if write {
		w, err := cl.Put(ctx, key, value)
		if err != nil {
			return client.Way{}, err
		}
		return w.Way, nil
	}
	v, err := cl.Get(ctx, key)
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return client.Way{}, err
	}
	return v.Way, nil
}

// used is what all nodes have used so far.
func used(c *cluster.Cluster) (sum time.Duration, err error) {
	for _, n := range c.Nodes {
		one, err := n.CPU()
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// ownCPU is what this process has used so far.
func ownCPU() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (r *result) print(w *tabwriter.Writer, name string) {
	slices.Sort(r.took)
	n := len(r.took)
	if n == 0 {
		return
	}
	fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%v\t%v\t%v\t%v\n", name, float64(n)/r.elapsed.Seconds(), 1+float64(r.forwarded)/float64(n),
		r.took[n/2].Round(10*time.Microsecond), r.took[n*99/100].Round(10*time.Microsecond),
		(r.nodes / time.Duration(n)).Round(time.Microsecond), (r.users / time.Duration(n)).Round(time.Microsecond))
}
