package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// drain has a node give everything away, for a while or for good, where enough
// others are left.
func (w *world) drain(n *node, forGood bool) {
	m := w.raft.machine.Map()
	others := 0
	for i := range m.Nodes {
		if m.Nodes[i].Duty == partition.Full && m.Nodes[i].ID != n.id {
			others++
		}
	}
	if _, known := m.Node(n.id); !known || !m.Placed() || others < w.settings.ReplicationFactor {
		return
	}
	if forGood {
		w.coverage[faultRemove]++
		w.admin(state.Assign{Node: n.id, Duty: partition.Removing})
		if w.chance(0.5) {
			w.keepAfterAll(n.id, w.now.add(8*time.Second))
		}
		return
	}
	w.coverage[faultDrain]++
	w.admin(state.Assign{Node: n.id, Duty: partition.Draining})
	w.after(w.duration(8*time.Second), func() {
		w.admin(state.Assign{Node: n.id, Duty: partition.Full})
	})
}

// keepAfterAll is an operator who undrains a node that is to be removed in the last
// moment, when it has given everything away.
func (w *world) keepAfterAll(id partition.NodeID, until instant) {
	m := w.raft.machine.Map()
	if n, known := m.Node(id); !known || n.Duty != partition.Removing || slices.ContainsFunc(m.Partitions, func(c partition.Configuration) bool { return c.Lists(id) }) {
		if w.now < until {
			w.after(5*time.Millisecond, func() { w.keepAfterAll(id, until) })
		}
		return
	}
	w.admin(state.Assign{Node: id, Duty: partition.Full})
}

// weigh gives a node another weight, often at the time of other commands about it.
func (w *world) weigh(n *node) {
	if _, known := w.raft.machine.Map().Node(n.id); !known {
		return
	}
	w.coverage[faultWeigh]++
	w.admin(state.Weigh{Node: n.id, Weight: uint32(1 + w.pick(3))})
}

// undrain gives every node full duty again, once all faults are over.
func (w *world) undrain(m *partition.Map) {
	for i := range m.Nodes {
		if n := &m.Nodes[i]; n.Duty == partition.Draining || n.Duty == partition.Removing {
			w.admin(state.Assign{Node: n.ID, Duty: partition.Full})
		}
	}
	if m.ClusterID != "" && m.Rebalance != partition.DefaultRebalance {
		w.admin(state.SetRebalance{Change: partition.DefaultRebalance.Change()})
	}
}

// pauseMoves lets no move begin for a while, and then few at once.
func (w *world) pauseMoves() {
	if w.raft.machine.Map().ClusterID == "" {
		return
	}
	w.coverage[faultPauseMoves]++
	few := partition.Rebalance{AtOnce: 1 + w.pick(3), AtOnceEach: 1}
	paused, resumed := true, false
	// Two commands at a time, each of its own settings.
	w.admin(state.SetRebalance{Change: partition.RebalanceChange{Paused: &paused}})
	w.admin(state.SetRebalance{Change: partition.RebalanceChange{AtOnce: &few.AtOnce, AtOnceEach: &few.AtOnceEach}})
	w.after(w.duration(4*time.Second), func() { w.admin(state.SetRebalance{Change: partition.RebalanceChange{Paused: &resumed}}) })
}

// removed reports whether the coordinators have taken this disk out for good.
func (p *process) removed() bool {
	return slices.Contains(p.n.w.raft.machine.Removed(), partition.Replica{Node: p.n.id, Store: p.self.Store})
}

// renew is what people do with a node that was removed: they start it again with
// an empty disk.
func (p *process) renew() {
	n := p.n
	p.later(time.Second, func() {
		if n == n.w.spare() {
			n.w.settleTwin()
			return
		}
		n.wipe()
		n.start()
	})
}

// moves counts what a command made of moves.
func (c *Coverage) moves(command state.Command, before, after *partition.Map, r state.Result) {
	if a, admin := command.(state.Admin); admin {
		command = a.Command
	}
	begun, ended := 0, 0
	for _, d := range partition.Compare(&partition.Map{Moves: before.Moves}, &partition.Map{Moves: after.Moves}).Moves {
		if d.Old != nil {
			ended++
		}
		if d.New != nil {
			begun++
		}
	}
	c[movesBegun] += uint64(begun)
	switch v := command.(type) {
	case state.Assign:
		if v.Duty == partition.Replaced && r.Err == nil {
			c[nodesReplaced]++
		}
		if v.Was == partition.Replaced && v.Duty == partition.Full && r.Err == nil {
			c[nodesBack]++
		}
		c[movesCancelled] += uint64(ended)
	case state.Remove:
		if r.Err == nil {
			c[nodesRemoved]++
		}
		c[movesCancelled] += uint64(ended)
	case state.End:
		for i := range v.Moves {
			if v.Moves[i].Cancel && i < len(r.Verdicts) && r.Verdicts[i].Err == nil {
				ended--
				c[movesCancelled]++
			}
		}
		c[movesDone] += uint64(ended)
	default:
		c[movesDone] += uint64(ended)
	}
}
