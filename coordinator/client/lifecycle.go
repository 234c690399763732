package client

import (
	"context"
	"slices"
	"sync"

	"github.com/holdfast-io/holdfast/partition"
)

// NodeEventKind says what happened to a node.
type NodeEventKind uint8

const (
	// NodeJoined: the map has a node that it did not have.
	NodeJoined NodeEventKind = iota + 1
	// NodeRejoined: a node of the map has started again, perhaps with another disk.
	NodeRejoined
	// NodeLeft: a node was removed from the cluster. (One that only fails stays in
	// the map; OnClusterHealth tells of it.)
	NodeLeft
)

// NodeEvent is what a node hook is called with.
type NodeEvent struct {
	Kind    NodeEventKind
	Node    *Node  // as it is now; of one that left, as it was
	Before  *Node  // nil of one that joined
	Version uint64 // of the map that shows it
}

// RebalanceEvent is what a rebalance hook is called with.
type RebalanceEvent struct {
	Started bool             // else it is complete: nothing moves any more
	Moves   []partition.Move // under way, where it started; must not be written to
	Version uint64           // of the map that shows it
}

// ClusterHealth is how the cluster is, as far as this client knows.
type ClusterHealth struct {
	Leader    string             // of the coordinators; "" while there is none, or none is heard
	Suspected []partition.NodeID // nodes that are not live, sorted
	Degraded  int                // partitions with fewer replicas in sync than there should be
	Below     int                // of these, how many take no writes: fewer than min-in-sync
	Headless  int                // partitions without a primary
}

// Well reports whether nothing is amiss.
func (h ClusterHealth) Well() bool {
	return h.Leader != "" && len(h.Suspected) == 0 && h.Degraded == 0 && h.Headless == 0
}

func (h ClusterHealth) equal(o ClusterHealth) bool {
	return h.Leader == o.Leader && h.Degraded == o.Degraded && h.Below == o.Below && h.Headless == o.Headless && slices.Equal(h.Suspected, o.Suspected)
}

// lifecycle has what each lifecycle hook has seen so far.
type lifecycle struct {
	mu   sync.Mutex
	list []observer
}

// observer makes events of what a map, and the newest health, show.
type observer func(m *partition.Map, h ClusterHealth)

// observe adds an observer, which sees the present map at once: so a hook is
// also called for what was before it was registered.
func (c *Client) observe(o observer) {
	c.lifecycle.mu.Lock()
	c.lifecycle.list = append(c.lifecycle.list, o)
	c.lifecycle.mu.Unlock()
	c.maps.again()
}

// take shows all observers a map, in the order of maps. Only the delivering
// goroutine calls it.
func (l *lifecycle) take(m *partition.Map, h ClusterHealth) {
	l.mu.Lock()
	list := slices.Clone(l.list)
	l.mu.Unlock()
	for _, o := range list {
		o(m, h)
	}
}

// OnNodeEvent registers a hook that is called when nodes join, rejoin or leave,
// and for each node that is there when it is registered, as one that joins. It is
// called at least once for each event, in the order of maps, one at a time; its
// error, or panic, asks for another call with the same event, later.
func (c *Client) OnNodeEvent(hook func(ctx context.Context, e NodeEvent) error) {
	s := &subscription[NodeEvent]{c: c, what: "node", hook: hook}
	last := &partition.Map{}
	c.observe(func(m *partition.Map, _ ClusterHealth) {
		for _, d := range partition.Compare(&partition.Map{Nodes: last.Nodes}, &partition.Map{Nodes: m.Nodes}).Nodes {
			e := NodeEvent{Node: d.New.Clone(), Before: d.Old.Clone(), Version: m.Version} // it may wait for long
			switch {
			case d.Old == nil:
				e.Kind = NodeJoined
			case d.New == nil:
				e.Kind, e.Node = NodeLeft, e.Before
			case d.Old.Store != d.New.Store || d.Old.Start() != d.New.Start():
				e.Kind = NodeRejoined
			default:
				continue // another weight or duty
			}
			s.add(e)
		}
		last = m
	})
}

// OnNodeJoin registers a hook for nodes that join: see OnNodeEvent.
func (c *Client) OnNodeJoin(hook func(node *Node)) { c.onNode(NodeJoined, hook) }

// OnNodeRejoin registers a hook for nodes that start again: see OnNodeEvent.
func (c *Client) OnNodeRejoin(hook func(node *Node)) { c.onNode(NodeRejoined, hook) }

// OnNodeLeave registers a hook for nodes that are removed: see OnNodeEvent.
func (c *Client) OnNodeLeave(hook func(node *Node)) { c.onNode(NodeLeft, hook) }

func (c *Client) onNode(kind NodeEventKind, hook func(node *Node)) {
	c.OnNodeEvent(func(_ context.Context, e NodeEvent) error {
		if e.Kind == kind {
			hook(e.Node)
		}
		return nil
	})
}

// OnRebalanceEvent registers a hook that is called when partitions begin to move
// where nothing moved, and when nothing moves any more. Its calls are made as
// those of OnNodeEvent.
func (c *Client) OnRebalanceEvent(hook func(ctx context.Context, e RebalanceEvent) error) {
	s := &subscription[RebalanceEvent]{c: c, what: "rebalance", hook: hook}
	moving := false
	c.observe(func(m *partition.Map, _ ClusterHealth) {
		if now := len(m.Moves) > 0; now != moving {
			moving = now
			s.add(RebalanceEvent{Started: now, Moves: m.Moves, Version: m.Version})
		}
	})
}

// OnRebalanceStart registers a hook for when partitions begin to move: see
// OnRebalanceEvent.
func (c *Client) OnRebalanceStart(hook func(moves []partition.Move)) {
	c.OnRebalanceEvent(func(_ context.Context, e RebalanceEvent) error {
		if e.Started {
			hook(e.Moves)
		}
		return nil
	})
}

// OnRebalanceComplete registers a hook for when nothing moves any more: see
// OnRebalanceEvent.
func (c *Client) OnRebalanceComplete(hook func()) {
	c.OnRebalanceEvent(func(_ context.Context, e RebalanceEvent) error {
		if !e.Started {
			hook()
		}
		return nil
	})
}

// OnHealthEvent registers a hook that is called with the cluster's health, at
// once and whenever it changes. Its calls are made as those of OnNodeEvent.
func (c *Client) OnHealthEvent(hook func(ctx context.Context, h ClusterHealth) error) {
	s := &subscription[ClusterHealth]{c: c, what: "health", hook: hook}
	told, last := false, ClusterHealth{}
	c.observe(func(_ *partition.Map, h ClusterHealth) {
		if !told || !h.equal(last) {
			told, last = true, h
			s.add(h)
		}
	})
}

// OnClusterHealth registers a hook for the cluster's health: see OnHealthEvent.
func (c *Client) OnClusterHealth(hook func(h ClusterHealth)) {
	c.OnHealthEvent(func(_ context.Context, h ClusterHealth) error {
		hook(h)
		return nil
	})
}

// Health is how the cluster is now, as far as this client knows.
func (c *Client) Health() ClusterHealth { return c.healthIn(c.Map()) }

func (c *Client) healthIn(m *partition.Map) ClusterHealth {
	h := ClusterHealth{}
	if b := c.beat.Load(); b != nil {
		h.Leader, h.Suspected = b.Leader, slices.Clone(b.Suspected)
		slices.Sort(h.Suspected)
	}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		if len(p.Replicas) < m.Settings.ReplicationFactor {
			h.Degraded++
		}
		if len(p.Replicas) < m.Settings.MinInSync {
			h.Below++
		}
		if p.Primary == "" {
			h.Headless++
		}
	}
	return h
}
