// Command chaos harms a cluster of real processes while clients write and read,
// records what they saw, and has a checker judge whether that is linearizable.
// scripts/chaos.sh runs it. Exit codes: 0 linearizable, 1 not, or something
// broke; 2 void: too little happened to say anything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
	"github.com/holdfast-io/holdfast/scripts/internal/network"
	"github.com/holdfast-io/holdfast/scripts/internal/workload"
)

// A run with fewer writes than this, or fewer faults than five a minute and two,
// says nothing.
const leastAcknowledged = 1000

func (c *config) leastFaults() int { return max(2, int(c.duration/(12*time.Second))) }

type config struct {
	duration   time.Duration
	nodes      int
	partitions int
	clients    int
	keys       int
	pause      time.Duration
	seed       uint64
	wipes      bool
	keep       bool
	dir        string
	binary     string
	network    string
	check      string
	patience   time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code, err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chaos:", err)
	}
	os.Exit(code)
}

func run(ctx context.Context, args []string) (code int, err error) {
	var c config
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.DurationVar(&c.duration, "duration", time.Minute, "how long the cluster is harmed")
	flags.IntVar(&c.nodes, "nodes", 5, "data nodes")
	flags.IntVar(&c.partitions, "partitions", 16, "partitions")
	flags.IntVar(&c.clients, "clients", 24, "clients, each with one request at a time")
	flags.IntVar(&c.keys, "keys", 24, "keys in use at a time")
	flags.DurationVar(&c.pause, "pause", 15*time.Millisecond, "between two requests of a client, on average")
	flags.Uint64Var(&c.seed, "seed", uint64(time.Now().UnixNano()%1e9), "of the faults and requests; processes run as they like all the same")
	flags.BoolVar(&c.wipes, "wipes", true, "wipe the disk of a node now and then")
	flags.BoolVar(&c.keep, "keep", false, "keep data, logs and history also of a good run")
	flags.StringVar(&c.dir, "dir", "", "for data, logs and history; default a temporary directory")
	flags.StringVar(&c.binary, "binary", "", "the program; default bin/holdfast")
	flags.StringVar(&c.network, "network", "auto", "how links between processes are cut and delayed. namespaces: each process is in a network namespace (root only); proxy: a proxy is before each; none: they are not; auto: namespaces or, where these cannot be made, proxies")
	flags.StringVar(&c.check, "check", "", "only judge the history in this file")
	flags.DurationVar(&c.patience, "check-timeout", time.Minute, "of the checker, for one key")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0, err
		}
		return 2, err
	}
	if c.check != "" {
		operations, err := history.Read(c.check)
		if err != nil {
			return 1, err
		}
		v := history.Check(operations, c.patience, c.check+".html")
		v.Print(os.Stdout)
		return exitCode(&v), nil
	}
	temporary := c.dir == ""
	if temporary {
		if c.dir, err = os.MkdirTemp("", "holdfast-chaos-"); err != nil {
			return 1, err
		}
	}
	code, err = harm(ctx, c)
	if code == 0 && err == nil && temporary && !c.keep {
		return code, os.RemoveAll(c.dir)
	}
	fmt.Printf("Data, logs and history are in %s\n", c.dir)
	return code, err
}

// harm is one run, from the start of the cluster to the verdict.
func harm(ctx context.Context, c config) (code int, err error) {
	if c.binary == "" {
		if c.binary, err = cluster.Binary(); err != nil {
			return 1, err
		}
	}
	options := cluster.Options{
		Binary: c.binary, Dir: c.dir, Nodes: c.nodes, Partitions: c.partitions,
		NodeFlags:        []string{"--hash-check", workload.HashCheck.String()},
		CoordinatorFlags: []string{"--replace-after", replaceAfter.String()},
	}
	net, err := c.join(&options)
	if err != nil {
		return 1, err
	}
	if net != nil {
		defer func() { err = errors.Join(err, net.Close()) }()
	}
	running, err := cluster.New(options)
	if err != nil {
		return 1, err
	}
	defer running.Close()
	if p, ok := net.(*network.Proxies); ok {
		for _, m := range running.Members() {
			p.Know(m.Name, m.PID)
		}
	}
	if err := running.Start(); err != nil {
		return 1, err
	}
	starting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := running.WaitWhole(starting); err != nil {
		return 1, err
	}
	fmt.Printf("%d nodes and %d coordinators run; %d clients write and read for %v (seed %d)\n",
		c.nodes, len(running.Coordinators), c.clients, c.duration, c.seed)

	h, err := history.NewRecorder(filepath.Join(c.dir, "history.jsonl"))
	if err != nil {
		return 1, err
	}
	w := &workload.Workload{Nodes: running.Nodes, Start: time.Now(), History: h, Prefix: "chaos", Keys: c.keys, Change: 15 * time.Second, Pause: c.pause}
	n := &nemesis{cluster: running, random: rand.New(rand.NewPCG(c.seed, 0)), start: w.Start, wipes: c.wipes, links: net,
		tell: func(format string, args ...any) { fmt.Printf(format+"\n", args...) }}

	w.Hears = n.hears
	writing, stopWriting := context.WithCancel(ctx)
	defer stopWriting()
	var clients sync.WaitGroup
	for i := range c.clients {
		clients.Go(func() { workload.NewClient(w, i+1, c.seed).Run(writing) })
	}
	clients.Go(func() { n.watch(writing) })
	harming, stopHarming := context.WithTimeout(ctx, c.duration)
	broken := n.run(harming)
	stopHarming()
	stopWriting()
	clients.Wait()
	ended := time.Since(w.Start)
	if broken == nil {
		broken = workload.ReadAll(ctx, w, c.clients+1)
	}
	if broken == nil {
		broken = workload.SameHashes(ctx, running, c.partitions)
	}
	operations, err := h.Close()
	if err != nil {
		broken = errors.Join(broken, err)
	}
	running.Close()

	v := history.Check(operations, c.patience, filepath.Join(c.dir, "not-linearizable.html"))
	report(os.Stdout, operations, n.faults, ended)
	v.Print(os.Stdout)
	acknowledged := history.Summarize(operations, reason).Acknowledged
	switch {
	case broken != nil:
		return 1, broken
	case !v.Good():
		return exitCode(&v), nil
	case acknowledged < leastAcknowledged || len(n.faults) < c.leastFaults():
		fmt.Printf("VOID: %d acknowledged writes and %d faults say nothing; want at least %d and %d\n",
			acknowledged, len(n.faults), leastAcknowledged, c.leastFaults())
		return 2, ctx.Err()
	}
	return 0, ctx.Err()
}

// exitCode is the exit code that goes with the verdict.
func exitCode(v *history.Verdict) int {
	if v.Good() {
		return 0
	}
	return 1
}
