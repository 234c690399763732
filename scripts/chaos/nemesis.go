package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// fault is one harm that was done, for the report.
type fault struct {
	At, Until time.Duration // since the run began; everything is repaired at Until
	Kind      string
	What      string
	Whole     time.Duration // when all replicas were in sync again after Until
}

// nemesis harms a cluster, one fault after another, and repairs it.
type nemesis struct {
	cluster *cluster.Cluster
	random  *rand.Rand
	start   time.Time
	wipes   bool
	links   links // nil: none that can be harmed
	tell    func(format string, args ...any)

	mu     sync.Mutex // two faults may be under way
	faults []*fault
	deaf   map[string]bool // nodes whose links are harmed
}

// note begins a fault. What it returns ends it.
func (n *nemesis) note(kind, what string) (ended func()) {
	f := &fault{At: time.Since(n.start), Kind: kind, What: what}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, f)
	n.tell("%6.1f s  %s", f.At.Seconds(), what)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		f.Until = time.Since(n.start)
	}
}

// watch notes until ctx ends when faults are got over.
func (n *nemesis) watch(ctx context.Context) {
	ticks := time.NewTicker(100 * time.Millisecond)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		asked := time.Since(n.start)
		asking, cancel := context.WithTimeout(ctx, time.Second)
		err := n.cluster.Whole(asking)
		cancel()
		if err == nil {
			n.gotOver(asked)
		}
	}
}

// gotOver notes that all replicas were in sync at some time.
func (n *nemesis) gotOver(at time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.faults {
		if f.Until != 0 && f.Until < at && f.Whole == 0 {
			f.Whole = at
		}
	}
}

// hears reports whether a node's links are whole, as far as they are harmed by us.
func (n *nemesis) hears(node string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !n.deaf[node]
}

func (n *nemesis) deafen(nodes ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.deaf = map[string]bool{}
	for _, name := range nodes {
		n.deaf[name] = true
	}
}

// run harms the cluster until ctx ends, and leaves it with all processes
// running. An error says that a process ended by itself or would not heal.
func (n *nemesis) run(ctx context.Context) error {
	for n.sleep(ctx, 500*time.Millisecond, 2500*time.Millisecond) {
		if err := n.next(ctx); err != nil {
			return err
		}
		if err := n.deserters(); err != nil {
			return err
		}
	}
	return n.heal()
}

// next does a fault of a process, of links, or both at the same time. A lost
// disk comes alone.
func (n *nemesis) next(ctx context.Context) error {
	if n.links == nil {
		return n.one(ctx, n.random.IntN(100))
	}
	switch p := n.random.IntN(100); {
	case p < 35:
		n.link(ctx)
		return nil
	case p < 50:
		process := n.random.IntN(leastWipe)
		var both errgroup.Group
		both.Go(func() error { return n.one(ctx, process) })
		n.link(ctx)
		return both.Wait()
	default:
		return n.one(ctx, n.random.IntN(100))
	}
}

// leastWipe is from where on one's number means a lost disk.
const leastWipe = 90

// sleep waits between the bounds; false if ctx ended.
func (n *nemesis) sleep(ctx context.Context, from, to time.Duration) bool {
	timer := time.NewTimer(from + time.Duration(n.random.Int64N(int64(to-from))))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// deserters finds processes that ended without us.
func (n *nemesis) deserters() error {
	for _, m := range n.cluster.Members() {
		if !m.Running() {
			return fmt.Errorf("%s ended by itself:\n%s", m.Name, m.LogTail(30))
		}
	}
	return nil
}

// one does one fault of processes from beginning to end.
func (n *nemesis) one(ctx context.Context, p int) error {
	node := n.cluster.Nodes[n.random.IntN(len(n.cluster.Nodes))]
	coordinator := n.cluster.Coordinators[n.random.IntN(len(n.cluster.Coordinators))]
	switch {
	case p < 25:
		defer n.note("kill node", "kill -9 "+node.Name)()
		return n.restart(ctx, 4*time.Second, node)
	case p < 41:
		return n.pause(ctx, "pause node", node)
	case p < 49:
		defer n.note("kill coordinator", "kill -9 "+coordinator.Name)()
		return n.restart(ctx, 3*time.Second, coordinator)
	case p < 55:
		return n.pause(ctx, "pause coordinator", coordinator)
	case p < 61:
		defer n.note("kill coordinators", "kill -9 all coordinators")()
		return n.restart(ctx, 3*time.Second, n.cluster.Coordinators...)
	case p < 67:
		other := n.cluster.Nodes[n.random.IntN(len(n.cluster.Nodes))]
		if other == node {
			return nil
		}
		defer n.note("kill two nodes", "kill -9 "+node.Name+" and "+other.Name)()
		return n.restart(ctx, 3*time.Second, node, other)
	case p < 76:
		return n.drain(ctx, node)
	case p < 80:
		return n.remove(ctx, node)
	case p < 83:
		return n.replaceCoordinator(ctx, coordinator)
	case p < 87:
		defer n.note("restart node", "restart "+node.Name)()
		ending, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		if err := node.Terminate(ending); err != nil {
			return err
		}
		return node.Start()
	case p < leastWipe:
		defer n.note("kill everything", "kill -9 every process")()
		return n.restart(ctx, time.Second, n.cluster.Members()...)
	case n.wipes:
		return n.wipe(ctx, node)
	}
	return nil
}

// restart kills the members, and starts them again after a while.
func (n *nemesis) restart(ctx context.Context, longest time.Duration, members ...*cluster.Member) error {
	for _, m := range members {
		if err := m.Kill(); err != nil {
			return err
		}
	}
	n.sleep(ctx, 100*time.Millisecond, longest)
	for _, m := range members {
		if err := m.Start(); err != nil {
			return err
		}
	}
	return nil
}

func (n *nemesis) pause(ctx context.Context, kind string, m *cluster.Member) error {
	defer n.note(kind, "SIGSTOP "+m.Name)()
	if err := m.Pause(); err != nil {
		return err
	}
	n.sleep(ctx, 200*time.Millisecond, 5*time.Second)
	return m.Resume()
}

// wipe takes a node's disk away. The data survives as long as that happens to
// one disk at a time, so it waits for the repair, before and after.
func (n *nemesis) wipe(ctx context.Context, m *cluster.Member) error {
	if err := n.whole(); err != nil {
		return err
	}
	defer n.note("wipe node", "kill -9 "+m.Name+", and its disk is wiped")()
	if err := m.Kill(); err != nil {
		return err
	}
	if err := m.Wipe(); err != nil {
		return err
	}
	n.sleep(ctx, 100*time.Millisecond, 3*time.Second)
	if err := m.Start(); err != nil {
		return err
	}
	return n.whole()
}

// heal lets everything run, and waits until all replicas are in sync again.
func (n *nemesis) heal() error {
	for _, m := range n.cluster.Members() {
		if m.Paused() {
			if err := m.Resume(); err != nil {
				return err
			}
		}
	}
	if err := n.cluster.Start(); err != nil {
		return err
	}
	return n.whole()
}

func (n *nemesis) whole() error {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	return n.cluster.WaitWhole(ctx)
}
