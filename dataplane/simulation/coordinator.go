package simulation

import (
	"time"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/rebalance"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	heartbeatEvery = 250 * time.Millisecond
	leaderTick     = 50 * time.Millisecond
	coordinators   = 3
)

// coordinator is one of the trio: its opinion of who lives, and the map as far
// as it has applied it.
type coordinator struct {
	w        *world
	index    int // in the network
	up       bool
	voter    bool              // a member of the group
	lost     bool              // its disk: it does not start before it has a place again
	stored   uint64            // the log up to here is on its disk
	marked   state.LogPosition // the last entry of a directory that was put back, and marked; zero: none
	clock    clock
	detector *liveness.Detector
	balancer *rebalance.Rebalancer
	m        *partition.Map
}

func (w *world) newCoordinator(i int) *coordinator {
	c := &coordinator{w: w, index: len(w.nodes) + i, voter: true, clock: w.newClock(), m: new(partition.Map)}
	c.start()
	return c
}

func (c *coordinator) now() time.Duration { return time.Duration(c.clock.read(c.w.now)) }

// start begins a process: it knows nothing of the nodes.
func (c *coordinator) start() {
	if c.lost {
		return
	}
	c.up = true
	c.detector = liveness.New(liveness.Config{Tick: leaderTick})
	c.balancer = rebalance.New(rebalance.Config{ReplaceAfter: c.w.profile.replaceAfter, Plan: 100 * time.Millisecond})
	c.follow(c.w.raft.machine.Map())
}

// stop ends the process, and its leadership.
func (c *coordinator) stop() {
	c.up = false
	if r := c.w.raft; r.leader >= 0 && c.w.coordinators[r.leader] == c {
		c.w.leaderless(c.w.between(300*time.Millisecond, 1500*time.Millisecond))
	}
}

// follow applies the log up to a map, at once where it leads, else a bit later.
func (c *coordinator) follow(m *partition.Map) {
	w := c.w
	d := time.Duration(0)
	if w.raft.leader < 0 || w.coordinators[w.raft.leader] != c {
		d = w.between(time.Millisecond, 20*time.Millisecond)
		if !w.quiet && w.chance(w.profile.slowRaft) {
			d += w.between(0, time.Second)
		}
	}
	index, history := w.raft.index, w.back.history
	w.after(d, func() {
		if c.up && history == w.back.history {
			if w.raft.leader >= 0 {
				c.stored = max(c.stored, index)
			}
			c.see(m)
		}
	})
}

func (c *coordinator) see(m *partition.Map) {
	if m.Version <= c.m.Version {
		return
	}
	c.m = m
	for _, n := range c.w.nodes {
		if n.up && n.process.stream == c.index {
			c.push(n.process)
		}
	}
}

// push sends the map on a node's stream: in order; versions may be passed over.
func (c *coordinator) push(p *process) {
	w := c.w
	if !w.net.open(c.index, p.n.index) {
		p.later(w.between(10*time.Millisecond, time.Second), func() { p.detach(c.index) })
		return
	}
	if p.m != nil && (w.raft.machine.Descent(p.m.Stamp()) != state.Known || w.raft.machine.Behind().Since != 0 || c.marked.Index != 0) {
		return // nothing continues what it has, or our map may be none that does
	}
	p.streamed = max(p.streamed, w.now.add(w.net.delay()))
	m, session := c.m, p.session
	p.later(time.Duration(p.streamed-w.now), func() {
		switch {
		case p.session != session:
		case w.chance(0.3): // the stream was behind, and begins anew with a snapshot
			p.takeMap(c.m, true)
		default:
			p.takeMap(m, false)
		}
	})
}

// election makes a coordinator that is up the leader, if most of them are.
func (w *world) election() {
	r := w.raft
	if r.leader >= 0 {
		return
	}
	i, elected := 0, false
	if r.quorate() {
		i, elected = r.elect()
	}
	if !elected {
		w.after(200*time.Millisecond, w.election)
		return
	}
	c := w.coordinators[i]
	r.leader = i
	r.term++
	w.coverage[leaderElected]++
	w.logf("coordinator %d leads", i)
	if w.chance(0.2) {
		r.restore()
	}
	carried := r.carried
	r.carried = nil
	for _, command := range carried {
		r.apply(command)
	}
	c.sayRestored()
	c.see(r.machine.Map())
	c.detector.BecameLeader(c.now())
	w.lead(c, r.term)
}

// leaderless takes the leadership away for a while.
func (w *world) leaderless(d time.Duration) {
	if w.raft.leader >= 0 {
		w.logf("the coordinators lose their leader for %v", d)
		w.raft.leader = -1
		w.after(d, w.election)
	}
}

// lead is the leader's own work: the first placement, and whom it suspects.
func (w *world) lead(c *coordinator, term uint64) {
	r := w.raft
	if r.term != term || r.leader < 0 || !c.up {
		return
	}
	m := r.machine.Map()
	switch {
	case m.ClusterID == "":
		r.propose(state.Create{ClusterID: "simulated", Application: "holdfast", Settings: w.settings})
	case !m.Placed():
		w.place(m)
	case r.machine.Behind().Since != 0: // nothing is wanted of an old map
	default:
		for _, command := range c.detector.Tick(c.now(), m) {
			w.coverage[suspected]++
			r.propose(command)
		}
		c.balance(m)
	}
	d := leaderTick
	if !w.quiet && w.chance(w.profile.lateLeader) {
		d = w.between(100*time.Millisecond, 900*time.Millisecond)
	}
	w.after(d, func() { w.lead(c, term) })
}

// balance proposes the moves that should begin and end now.
func (c *coordinator) balance(m *partition.Map) {
	if !c.w.profile.elastic {
		return
	}
	for _, command := range c.balancer.Tick(c.now(), m, c.detector.Survey(c.now(), m)) {
		c.w.raft.propose(command)
	}
}

func (w *world) place(m *partition.Map) {
	if len(m.Nodes) < w.settings.ExpectNodes || w.placing {
		return
	}
	placed, err := partition.Place(m.Nodes, w.settings, w.random.Uint32)
	if err != nil {
		w.fail("first placement: %v", err)
		return
	}
	w.placing = true
	w.after(time.Second, func() { w.placing = false })
	w.raft.propose(state.Place{Configurations: placed})
}

// operator is the person who recovers a partition whose in-sync disks are lost
// from an eligible one: the lost disks' processes are gone.
func (w *world) operator() {
	w.after(300*time.Millisecond, w.operator)
	m := w.raft.machine.Map()
	if w.quiet {
		w.undrain(m)
	}
	if w.recoverMap() {
		return
	}
	w.acceptStarts()
	w.acceptedLate()
	w.correctAddresses()
	for i := range m.Partitions {
		c := &m.Partitions[i]
		if len(c.Replicas) > 0 {
			continue
		}
		if len(c.Eligible) == 0 {
			if w.profile.unsafe {
				w.recoverUnsafely(c)
			}
			continue
		}
		r := c.Eligible[w.pick(len(c.Eligible))]
		n := w.home(r.Node)
		if n.up && n.disk.store == r.Store && n.shelf == nil && !w.usurpedRuns() {
			w.coverage[recovered]++
			w.admin(state.Recover{Partition: c.ID, Node: r.Node, Epoch: c.Epoch})
		}
	}
}
