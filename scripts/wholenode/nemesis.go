package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// fault is one harm that was done, for the report.
type fault struct {
	from, until time.Duration // since the load began
	what        string
}

// nemesis carries out the faults of a plan.
type nemesis struct {
	*cluster
	began time.Time
	alone sync.Mutex // held by a fault of links, and by one that bears no other beside it

	noting sync.Mutex
	faults []*fault
}

// note begins a fault. What it returns ends it.
func (n *nemesis) note(what string) (ended func()) {
	f := &fault{from: time.Since(n.began), what: what}
	n.noting.Lock()
	defer n.noting.Unlock()
	n.faults = append(n.faults, f)
	n.log.Info("fault begins: " + what) //nolint:sloglint // the log is for people, and the text is what they look for
	return func() {
		n.noting.Lock()
		defer n.noting.Unlock()
		f.until = time.Since(n.began)
		n.log.Info("fault ends: " + what) //nolint:sloglint // as above
	}
}

// run carries out both schedules until ctx ends, and leaves everything running.
func (n *nemesis) run(ctx context.Context) error {
	lanes, ctx := errgroup.WithContext(ctx)
	lanes.Go(func() error {
		for _, s := range n.plan.processes {
			if !sleep(ctx, s.pause) {
				break
			}
			if err := n.process(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s.kind, err)
			}
		}
		return nil
	})
	lanes.Go(func() error {
		for _, s := range n.plan.links {
			if !sleep(ctx, s.pause) {
				break
			}
			n.link(ctx, s)
		}
		return nil
	})
	return lanes.Wait()
}

// process carries out a fault of nodes or coordinators.
func (n *nemesis) process(ctx context.Context, s step) error {
	first, second := n.nodes[s.first], n.nodes[s.second]
	coordinator := n.coordinators[s.first%len(n.coordinators)]
	switch s.kind {
	case "crash node":
		return n.crash(ctx, s, []*node{first}, nil)
	case "crash two nodes":
		return n.crash(ctx, s, []*node{first, second}, nil)
	case "crash everything":
		return n.crash(ctx, s, n.nodes, n.coordinators)
	case "cut off and crash":
		return n.cutOff(ctx, s, first)
	case "crash coordinator":
		return n.crash(ctx, s, nil, []*member{coordinator})
	case "crash coordinators":
		return n.crash(ctx, s, nil, n.coordinators)
	case "restart node":
		defer n.note("graceful restart of " + first.name)()
		if err := first.stop(); err != nil {
			return err
		}
		return first.start(context.WithoutCancel(ctx))
	case "disk fails":
		defer n.note(first.name + "'s disk fails")()
		failing, cancel := context.WithTimeout(ctx, s.lasting)
		defer cancel()
		if err := first.failDisk(failing, s.seed); err != nil {
			return err
		}
		return first.start(context.WithoutCancel(ctx))
	case "disk stalls":
		defer n.note(first.name + "'s disk stalls")()
		_, disk := first.current()
		end := disk.stall()
		sleep(ctx, s.lasting)
		end()
		return nil
	case "wipe node":
		return n.wipe(ctx, s, first)
	case "drain node":
		return n.drain(ctx, s, first)
	case "weigh node":
		return n.weigh(ctx, s, first)
	}
	return fmt.Errorf("no such fault")
}

// crash ends processes at the same time, and starts them again after a while.
func (n *nemesis) crash(ctx context.Context, s step, nodes []*node, coordinators []*member) error {
	what := "crash of"
	var crashing errgroup.Group
	for i, one := range nodes {
		what += " " + one.name
		crashing.Go(func() error { return one.crash(s.seed + uint64(i)) })
	}
	for _, one := range coordinators {
		what += " " + one.name
		crashing.Go(one.crash)
	}
	defer n.note(what)()
	if err := crashing.Wait(); err != nil {
		return err
	}
	sleep(ctx, s.lasting)
	return n.start(context.WithoutCancel(ctx))
}

// loneliness is how long it takes at least until a primary that hears no other node
// has all others out of its in-sync set, and their grants are over; and until a
// primary that has crashed has a successor.
const loneliness = 2500 * time.Millisecond

// cutOff cuts a node off from the other nodes, though not from the coordinators,
// until it does without them; then it crashes, and the others do without it.
func (n *nemesis) cutOff(ctx context.Context, s step, one *node) error {
	n.alone.Lock()
	defer n.alone.Unlock()
	defer n.note(one.name + " and the other nodes do not hear each other; then it crashes")()
	for _, other := range n.nodes {
		if other != one {
			n.network.CutBoth(one.name, other.name)
		}
	}
	sleep(ctx, loneliness+s.lasting/2)
	err := one.crash(s.seed)
	n.network.HealAll()
	if err != nil {
		return err
	}
	sleep(ctx, loneliness)
	return one.start(context.WithoutCancel(ctx))
}

// wipe takes a node's disk away. The data survives as long as that happens to one
// disk at a time, so it waits until all replicas are in sync, before and after.
func (n *nemesis) wipe(ctx context.Context, s step, one *node) error {
	n.alone.Lock()
	defer n.alone.Unlock()
	if err := n.wait(ctx, "all replicas to be in sync", n.whole); err != nil {
		return nil // the load has ended
	}
	defer n.note("crash of " + one.name + ", and its disk is wiped")()
	if err := one.crash(s.seed); err != nil {
		return err
	}
	if err := one.wipe(); err != nil {
		return err
	}
	sleep(ctx, s.lasting)
	ctx = context.WithoutCancel(ctx)
	if err := one.start(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	return n.wait(ctx, "all replicas to be in sync", n.whole)
}

// sleep waits; false if ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
