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
		w.raft.propose(state.Assign{Node: n.id, Duty: partition.Removing})
		return
	}
	w.coverage[faultDrain]++
	w.raft.propose(state.Assign{Node: n.id, Duty: partition.Draining})
	w.after(w.duration(8*time.Second), func() {
		w.raft.propose(state.Assign{Node: n.id, Duty: partition.Full})
	})
}

// undrain gives every node full duty again, once all faults are over.
func (w *world) undrain(m *partition.Map) {
	for i := range m.Nodes {
		if n := &m.Nodes[i]; n.Duty == partition.Draining || n.Duty == partition.Removing {
			w.raft.propose(state.Assign{Node: n.ID, Duty: partition.Full})
		}
	}
	if m.ClusterID != "" && m.Rebalance != partition.DefaultRebalance {
		w.raft.propose(state.SetRebalance{Change: partition.DefaultRebalance.Change()})
	}
}

// pauseMoves lets no move begin for a while, and then few at once.
func (w *world) pauseMoves() {
	if w.raft.machine.Map().ClusterID == "" {
		return
	}
	w.coverage[faultPauseMoves]++
	few := partition.Rebalance{AtOnce: 1 + w.pick(3), AtOnceEach: 1}
	paused := few
	paused.Paused = true
	w.raft.propose(state.SetRebalance{Change: paused.Change()})
	w.after(w.duration(4*time.Second), func() { w.raft.propose(state.SetRebalance{Change: few.Change()}) })
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
		n.wipe()
		n.start()
	})
}

// moves counts what a command made of moves.
func (c *Coverage) moves(command state.Command, before, after *partition.Map, r state.Result) {
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
