package simulation

import (
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// goneBack is what there is of coordinators that are restored from an old backup.
type goneBack struct {
	history uint64 // counts restorations: what was on its way before one is void
	planned bool   // a backup is made, and will be put back
	active  bool   // it was put back, and the map is not recovered yet
}

// restoreCoordinators makes a backup of all coordinators' directories now, and puts
// it back a little later. The map is then that of a time before, and so is the log.
func (w *world) restoreCoordinators() {
	if !w.profile.wentBack || w.back.planned || w.back.active || !w.raft.machine.Map().Placed() {
		return
	}
	w.back.planned = true
	backup, index := w.raft.machine.Snapshot(), w.raft.index
	w.after(w.between(300*time.Millisecond, 6*time.Second), func() {
		w.back.planned = false
		if w.quiet || w.failure != "" {
			return
		}
		w.coverage[faultCoordinatorsRestored]++
		w.logf("the coordinators are restored from a backup: from command %d to %d", w.raft.index, index)
		w.putBack(backup, index)
	})
}

// putBack has all coordinators start on the backup, by and by.
func (w *world) putBack(backup []byte, index uint64) {
	r := w.raft
	m, err := state.Restore(backup)
	if err != nil {
		w.fail("the coordinators cannot restore their backup: %v", err)
		return
	}
	w.leaderless(w.between(300*time.Millisecond, time.Second))
	w.back.history++
	if m.Behind().Since == 0 && w.chance(0.5) {
		index = w.overtake(m, index, r.machine.Map().Version+uint64(w.pick(3)))
	}
	w.back.active = m.Map().Stamp() != r.machine.Map().Stamp()
	r.machine, r.index, r.carried = m, index, nil
	for _, c := range w.coordinators {
		c.stop()
		c.m, c.stored = m.Map(), index
		w.after(w.between(10*time.Millisecond, 250*time.Millisecond), func() {
			if !c.up {
				c.start()
			}
		})
	}
	for _, n := range w.nodes {
		if n.up && n.process.stream >= 0 {
			n.process.detach(n.process.stream)
		}
	}
}

// lookBack is what a node makes of a coordinator that says that the map is behind.
func (p *process) lookBack() {
	w := p.n.w
	if p.stream < 0 || p.m == nil {
		return
	}
	c, r := w.coordinators[p.stream-len(w.nodes)], w.raft
	if !c.up || !w.net.open(p.n.index, c.index) || r.leader < 0 {
		return
	}
	if b := r.machine.Behind(); b.Since != 0 && p.named() && !p.hasReported(&b) {
		p.report()
	}
}

// hears is told of the map that a node acts on. A leader that has not committed that
// map was restored.
func (c *coordinator) hears(node partition.NodeID, have partition.Stamp) {
	r := c.w.raft
	ours := r.machine.Descent(have) == state.Known
	c.detector.Compared(c.now(), node, ours)
	if b := r.machine.Behind(); !ours && r.leader >= 0 && c.w.coordinators[r.leader] == c && (b.Since == 0 || b.Version < have.Version) {
		r.propose(state.NoteBehind{Map: have})
	}
}

// mayPropose reports whether a leader may propose what would change the map.
func (c *coordinator) mayPropose(command state.Command) bool {
	switch command.(type) {
	case state.Create, state.NoteBehind, state.RecoverMap, state.Seat:
		return true
	}
	m := c.w.raft.machine
	return m.Behind().Since != 0 || c.detector.AllCompared(c.now(), m.Map())
}

// overtake has the restored coordinators carry out more than they did before, while
// none of the nodes that run is heard: their map's version says nothing any more.
func (w *world) overtake(m *state.Machine, index, version uint64) uint64 {
	w.coverage[faultHistoryOvertaken]++
	id := m.Map().Nodes[w.pick(len(m.Map().Nodes))].ID
	for m.Map().Version < version {
		index++
		n, _ := m.Map().Node(id)
		if r := m.Apply(index, state.Weigh{Node: id, Weight: n.Weight%2 + 1}); r.Err != nil {
			w.fail("the restored coordinators cannot weigh %s: %v", id, r.Err)
			break
		}
	}
	return index
}

// hasReported reports whether this start has said what it has.
func (p *process) hasReported(b *state.Behind) bool {
	for i := range b.Reports {
		if n := &b.Reports[i].Node; n.ID == p.n.id && n.Store == p.self.Store && n.Start() == p.self.Start {
			return true
		}
	}
	return false
}

// report says what the node has adopted by now. It adopts nothing after that before
// the next map.
func (p *process) report() {
	p.copies = p.copies[:0]
	sealed := p.n.w.raft.machine.Map().Version
	if p.m != nil {
		sealed = max(sealed, p.m.Version)
	}
	p.input(func(g *replica.Group, _ replica.Time) {
		g.Seal(sealed)
		g.Copies(func(c replica.Copy) {
			p.copies = append(p.copies, owned{c.Partition, c.Adopted, c.Lineage, c.Configuration})
		})
	})
	r := p.registration()
	p.toLeader(func(c *coordinator) {
		r.Live = c.detector.Live(c.now(), c.w.raft.machine.Map())
		c.w.raft.propose(r)
	})
}

// recoverMap is the operator who has the coordinators go on from what the nodes have,
// once all have said it; false where the map is not behind.
func (w *world) recoverMap() bool {
	r := w.raft
	if r.machine.Behind().Since == 0 {
		return false
	}
	if p, err := r.machine.PlanRecovery(nil); err == nil && len(p.Missing) == 0 {
		r.propose(state.RecoverMap{Judged: p.Judged})
	}
	return true
}

// recoveredMap sees the map that the coordinators go on with.
func (w *world) recoveredMap(after *partition.Map) {
	w.back.active = false
	w.coverage[mapRecovered]++
	w.logf("the map is recovered, version %d", after.Version)
}
