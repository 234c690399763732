package dataplane

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// errLeaving is why a node that leaves is not ready.
var errLeaving = errors.New("the node ends")

const (
	// leavePoll is how often a node that leaves looks how far it is.
	leavePoll = 5 * time.Millisecond
	// leaveLinger is how long it answers at least from when it began, so that
	// clients and load balancers see that it ends: every answer closes its
	// connection, and /readyz says 503.
	leaveLinger = 500 * time.Millisecond
)

// Leave hands over what the node does, for an end that nobody notices: it takes
// its read grants back, asks the coordinators to make others primary and to take
// it out of the in-sync sets, in one change (L4), and goes on forwarding what
// still arrives. It returns when the map says so, or when waiting has no use or
// ctx ends; then the node is to be closed. The node may start again at any time.
func (n *Node) Leave(ctx context.Context) {
	if !n.ready.Load() || n.Fenced() != nil || n.leaving.Swap(true) {
		return // one that is fenced has nothing to hand over
	}
	n.cfg.Logger.Info("node leaves", slog.String("node", string(n.cfg.NodeID)))
	n.gateway.Leave()
	linger := time.NewTimer(leaveLinger)
	defer linger.Stop()
	for _, e := range n.executors {
		e.ask(func(e *executor, t replica.Time) { e.each(func(g *replica.Group) { g.SetLeaving(t) }) }, func() {})
	}
	// Grants run out within a promise, also where nobody hands them back.
	back, cancel := context.WithTimeout(ctx, n.cfg.Timings.Promise)
	n.leaveUntil(back, n.retired)
	cancel()
	n.released.Store(true)
	if !n.leaveUntil(ctx, n.handedOver) {
		n.cfg.Logger.Warn("node ends before others have taken over", slog.String("node", string(n.cfg.NodeID)))
	}
	select {
	case <-linger.C:
	case <-ctx.Done():
	case <-n.done:
	}
}

// leaveUntil polls until a condition holds.
func (n *Node) leaveUntil(ctx context.Context, holds func() bool) bool {
	ticks := time.NewTicker(leavePoll)
	defer ticks.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return false
		case <-n.acting.Done(): // fenced meanwhile, or closed
			return false
		case <-n.done:
			return false
		case <-ticks.C:
		}
	}
	return true
}

// retired reports whether all read grants that this node gave are back.
func (n *Node) retired() bool {
	answers := make(chan bool, len(n.executors))
	for _, e := range n.executors {
		e.ask(func(e *executor, t replica.Time) {
			all := true
			for _, l := range e.lanes {
				all = all && (l == nil || l.group.Retired(t))
			}
			answers <- all
		}, func() { answers <- true })
	}
	all := true
	for range n.executors {
		all = <-answers && all
	}
	return all
}

// handedOver reports whether no partition needs this node any more, as far as it
// can be helped, and every executor has acted on that.
func (n *Node) handedOver() bool {
	m := n.joined.latest()
	if !m.Placed() {
		return true
	}
	if leader, _ := (*backend)(n).Coordinators(); leader == "" {
		return true // nobody is there to change the map
	}
	for i := range m.Partitions {
		c := &m.Partitions[i]
		if c.InSync(n.cfg.NodeID) && n.mayLeave(c, m.Settings.MinInSync) {
			return false
		}
	}
	return n.actedOn().Version >= m.Version
}

// mayLeave reports whether the coordinators will let this node out of a
// partition's in-sync set: enough stay, or somebody is about to join them.
func (n *Node) mayLeave(c *partition.Configuration, minInSync int) bool {
	if len(c.Replicas)-1 >= max(1, minInSync) {
		return true
	}
	for _, l := range c.Learners {
		if link := n.peers.link(l.Node, classBeacon); link != nil && link.Connected() {
			return true
		}
	}
	return false
}
