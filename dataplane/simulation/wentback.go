package simulation

import (
	"slices"
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
	// marks is how many directories were marked; noted, that the map is frozen since.
	marks int
	noted bool
	calm  instant // until when no other fault comes
}

// backup is what the directories of all coordinators hold at one time.
type backup struct {
	machine []byte
	index   uint64
	term    uint64
	stored  [coordinators]uint64
}

// restoreCoordinators makes a backup of all coordinators' directories now, and puts
// it back a little later. The map is then that of a time before, and so is the log.
func (w *world) restoreCoordinators() {
	if !w.profile.wentBack || w.back.planned || w.back.active || !w.raft.machine.Map().Placed() {
		return
	}
	w.back.planned = true
	b := backup{machine: w.raft.machine.Snapshot(), index: w.raft.index, term: w.raft.term}
	for i, c := range w.coordinators {
		b.stored[i] = min(c.stored, b.index)
	}
	marked := w.chance(0.5)
	last := w.now.add(9 * time.Second)
	var try func()
	try = func() {
		if !marked && !w.allHear() && w.now < last {
			w.after(50*time.Millisecond, try)
			return
		}
		w.back.planned = false
		if w.quiet || w.failure != "" {
			return
		}
		marked = marked || !w.allHear()
		w.coverage[faultCoordinatorsRestored]++
		w.logf("the coordinators are restored from a backup (marked: %v): from command %d to %d", marked, w.raft.index, b.index)
		w.putBack(&b, marked)
	}
	w.after(w.between(300*time.Millisecond, 6*time.Second), try)
}

// putBack has all coordinators start on the backup, by and by. Somebody has marked
// their directories, or some of them; if not, nothing else goes wrong meanwhile, and
// the nodes show that the map is old.
func (w *world) putBack(b *backup, marked bool) {
	r, index := w.raft, b.index
	m, err := state.Restore(b.machine)
	if err != nil {
		w.fail("the coordinators cannot restore their backup: %v", err)
		return
	}
	w.leaderless(w.between(300*time.Millisecond, time.Second))
	w.back.history++
	switch {
	case marked:
		w.coverage[faultRestoredMarked]++
	case m.Behind().Since == 0 && w.chance(0.5):
		index = w.overtake(m, index, r.machine.Map().Version+uint64(w.pick(3)))
	}
	w.back.active = marked || m.Map().Stamp() != r.machine.Map().Stamp()
	if !marked {
		w.back.calm = w.now.add(hearing)
	}
	r.machine, r.index, r.carried = m, index, nil
	w.back.marks, w.back.noted = 0, false
	clear(r.underWay)
	for i, c := range w.coordinators {
		c.stop()
		c.m, c.stored, c.marked = m.Map(), max(b.stored[i], index-b.index), state.LogPosition{}
		if !marked {
			c.stored = index
		}
		if marked && (i == 0 || w.chance(0.8)) {
			w.back.marks++
			c.marked = state.LogPosition{Term: b.term, Index: b.stored[i]}
			if w.chance(0.2) {
				c.marked.Index = index + uint64(w.pick(20)) // it ends with what was never committed
			}
			w.after(w.between(0, 300*time.Millisecond), c.tellRestored)
		}
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

// hearing is for how long nothing else goes wrong around coordinators that nobody has
// marked: until they have a leader, and it has heard every node, or a node is silent
// for too long.
const hearing = 6 * time.Second

// allHear reports whether every node runs, and nothing keeps it from being heard soon.
func (w *world) allHear() bool {
	return !slices.ContainsFunc(w.nodes, func(n *node) bool {
		return n.disk.starts.now.Incarnation > 0 && (!n.up || n.paused || n.doom != nil)
	}) && !w.net.disturbed()
}

// sayRestored has a new leader say that its directory was put back, before it leads.
func (c *coordinator) sayRestored() {
	if c.marked.Index == 0 {
		return
	}
	if c.w.raft.apply(state.NoteRestored{Last: c.marked}) != nil {
		c.marked = state.LogPosition{}
	}
}

// checkMarks sees a command that was applied. Of directories that are all marked, none
// changes the map before it is frozen.
func (w *world) checkMarks(c state.Command, before, after *partition.Map) {
	w.back.noted = w.back.noted || w.raft.machine.Behind().Since != 0
	if w.back.marks == coordinators && !w.back.noted && before != after {
		w.fail("the coordinators are marked as restored, and carry out %T before they say so", c)
	}
}

// checkMarksNoted runs when the schedule is over.
func (w *world) checkMarksNoted() {
	if w.back.marks > 0 && !w.back.noted {
		w.fail("%d coordinators are marked as restored, and have not said so", w.back.marks)
	}
}

// tellRestored has the leader note it, where another leads.
func (c *coordinator) tellRestored() {
	last, r := c.marked, c.w.raft
	if last.Index == 0 {
		return
	}
	if c.up && r.leader >= 0 {
		r.proposeFor(state.NoteRestored{Last: last}, func(done *state.Result) {
			if done != nil && c.marked == last {
				c.marked = state.LogPosition{}
			}
		})
	}
	c.w.after(50*time.Millisecond, c.tellRestored)
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
	case state.Create, state.NoteBehind, state.NoteRestored, state.RecoverMap, state.Seat:
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
	p.everywhere(func(g *replica.Group, _ replica.Time) {
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
