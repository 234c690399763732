package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-io/holdfast/partition"
	processes "github.com/holdfast-io/holdfast/scripts/internal/cluster"
	"github.com/holdfast-io/holdfast/transport"
)

// replicas is the replication factor of the clusters.
const replicas = 3

// cluster is three coordinators and some nodes in this process, on a network in
// memory. Clients reach the nodes over HTTP on loopback.
type cluster struct {
	plan         plan
	dir          string
	log          *slog.Logger
	network      *transport.Memory
	coordinators []*member
	nodes        []*node

	mu       sync.Mutex
	problems []error
}

// newCluster prepares a cluster; start starts it.
func newCluster(p plan, dir string, log *slog.Logger) (*cluster, error) {
	c := &cluster{plan: p, dir: dir, log: log, network: transport.NewMemory()}
	addresses, err := processes.FreeAddresses(3 + p.shape.nodes)
	if err != nil {
		return nil, err
	}
	for i := range 3 {
		c.coordinators = append(c.coordinators, &member{c: c, name: fmt.Sprintf("c%d", i+1), http: addresses[i]})
	}
	for i := range p.shape.nodes {
		n := &node{c: c, name: fmt.Sprintf("n%d", i+1), http: addresses[3+i]}
		n.dir = filepath.Join(dir, n.name)
		if err := os.MkdirAll(n.dir, 0o700); err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, n)
	}
	return c, nil
}

// coordinatorAddrs are the coordinators' peer addresses.
func (c *cluster) coordinatorAddrs() (out []string) {
	for _, m := range c.coordinators {
		out = append(out, peerAddr(m.name))
	}
	return out
}

// names are those of all processes, the coordinators first.
func (c *cluster) names() (out []string) {
	for _, m := range c.coordinators {
		out = append(out, m.name)
	}
	for _, n := range c.nodes {
		out = append(out, n.name)
	}
	return out
}

// resetLinks breaks every connection of a process.
func (c *cluster) resetLinks(name string) {
	for _, other := range c.names() {
		c.network.Break(name, other)
	}
}

// problem notes something that must not happen.
func (c *cluster) problem(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.problems = append(c.problems, err)
	c.log.Error("problem found by the rig", slog.Any("err", err))
}

// start starts all that does not run.
func (c *cluster) start(ctx context.Context) error {
	starting, ctx := errgroup.WithContext(ctx)
	for _, m := range c.coordinators {
		if m.current() == nil {
			starting.Go(m.start)
		}
	}
	for _, n := range c.nodes {
		if !n.isRunning() {
			starting.Go(func() error { return n.start(ctx) })
		}
	}
	return starting.Wait()
}

// close ends everything.
func (c *cluster) close() error {
	c.network.HealAll()
	var ending sync.WaitGroup
	errs := make([]error, len(c.nodes)+len(c.coordinators))
	for i, n := range c.nodes {
		if running, _ := n.harm(); running != nil {
			ending.Go(func() { errs[i] = n.close(running) })
		}
	}
	ending.Wait()
	for i, m := range c.coordinators {
		ending.Go(func() { errs[len(c.nodes)+i] = m.close() })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// leaderMap is the map of the coordinator that leads; nil if none does.
func (c *cluster) leaderMap() *partition.Map {
	for _, m := range c.coordinators {
		if running := m.current(); running != nil && running.Leading() {
			return running.Map()
		}
	}
	return nil
}

// whole says why not every partition has a primary and all its replicas in sync;
// nil if all have.
func (c *cluster) whole() error {
	m := c.leaderMap()
	if m == nil || !m.Placed() {
		return errors.New("no coordinator leads, or nothing is placed")
	}
	for _, p := range m.Partitions {
		if p.Primary == "" || len(p.Replicas) != replicas || len(p.Learners) > 0 {
			return fmt.Errorf("%v: primary %q, in sync %v, learners %v", p.ID, p.Primary, partition.Nodes(p.Replicas), partition.Nodes(p.Learners))
		}
	}
	if len(m.Moves) > 0 {
		return fmt.Errorf("%d moves are under way", len(m.Moves))
	}
	return nil
}

// wait polls until a condition holds. When ctx ends first it returns what was
// wrong last.
func (c *cluster) wait(ctx context.Context, what string, ready func() error) error {
	ticks := time.NewTicker(20 * time.Millisecond)
	defer ticks.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (%w)", what, err, ctx.Err())
		case <-ticks.C:
		}
	}
}
