package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// toLeader takes something to the coordinators' leader, by way of any of them.
func (p *process) toLeader(run func(c *coordinator)) {
	w := p.n.w
	via := w.coordinators[w.pick(coordinators)]
	w.net.send(p.n.index, via.index, func() {
		if l := w.raft.leader; via.up && l >= 0 {
			run(w.coordinators[l])
		}
	})
}

// register asks for this boot to be in the map, until it is.
func (p *process) register() {
	w := p.n.w
	if p.stream < 0 {
		p.attach()
	}
	if p.named() {
		return
	}
	if p.removed() {
		p.renew()
		return
	}
	r := p.registration()
	p.toLeader(func(c *coordinator) {
		behind := c.w.raft.machine.Behind()
		verdict, silent := c.detector.Contest(c.now(), behind.Running(c.w.raft.machine.Map(), &r.Node), &r.Node, c.connected(&r.Node))
		switch verdict {
		case liveness.Undecided:
			return
		case liveness.Taken:
			c.w.coverage[twinsRefused]++
			c.w.logf("start %v of %s at %s is refused: the first is heard", p.self.Start, p.n.id, r.Node.PeerAddr)
			if p.n == c.w.spare() {
				c.w.after(c.w.between(0, 100*time.Millisecond), c.w.settleTwin)
			}
			return
		case liveness.Free:
		}
		r.Silent = silent
		r.Live = c.detector.Live(c.now(), c.w.raft.machine.Map())
		c.w.raft.propose(r)
	})
	p.later(w.between(100*time.Millisecond, 400*time.Millisecond), p.register)
}

// registration is what the node says when it registers.
func (p *process) registration() state.Register {
	r := state.Register{Node: partition.Node{
		ID: p.n.id, Store: p.self.Store, Incarnation: p.self.Start.Incarnation, StartID: p.self.Start.ID,
		HTTPAddr: fmt.Sprintf("%s-%d:7070", p.n.id, p.n.address), PeerAddr: p.n.peerAddr(), Weight: 1,
	}, Accepted: p.accepted, AcceptedIn: p.acceptedIn, Since: p.since}
	if p.m != nil {
		r.Map = p.m.Stamp()
	}
	for _, c := range p.copies {
		r.Copies = append(r.Copies, state.Copy{Partition: c.partition, Epoch: c.epoch, Lineage: c.lineage, Configuration: c.configuration})
	}
	return p.n.w.registered(r)
}

// connected reports whether the process that the map has for a node has a connection
// to the coordinator: while it lives and is not cut off.
func (c *coordinator) connected(newcomer *partition.Node) bool {
	w := c.w
	in, known := w.raft.machine.Map().Node(newcomer.ID)
	return known && slices.ContainsFunc(w.nodes, func(n *node) bool {
		return n.up && n.id == in.ID && n.process.self.Store == in.Store && n.process.self.Start == in.Start() && w.net.open(n.index, c.index)
	})
}

// named reports whether the node's map knows this boot.
func (p *process) named() bool {
	if p.m == nil {
		return false
	}
	n, ok := p.m.Node(p.n.id)
	return ok && n.Store == p.self.Store && n.Start() == p.self.Start
}

// attach opens a map stream to any coordinator.
func (p *process) attach() {
	w := p.n.w
	c := w.coordinators[w.pick(coordinators)]
	if p.stream >= 0 {
		return
	}
	if !c.up || !w.net.open(p.n.index, c.index) {
		return // the next heartbeat tries again
	}
	p.stream = c.index
	p.session++
	c.push(p)
}

func (p *process) detach(from int) {
	if p.stream != from {
		return
	}
	p.n.w.coverage[streamBroken]++
	p.stream = -1
	p.session++
}

// takeMap takes a map from the stream. Of one that is no newer nothing is read.
func (p *process) takeMap(m *partition.Map, whole bool) {
	if p.m == nil || m.Version > p.m.Version {
		p.setMap(p.n.w.streamedMap(p.m, m, whole))
	}
}

// setMap gives the node a map of its stream. A stream that was opened anew may
// begin with an older one, which the node's client ignores.
func (p *process) setMap(m *partition.Map) {
	if p.m != nil && m.Version <= p.m.Version {
		return
	}
	p.m = m
	p.n.w.logf("%s has map %d", p.n.id, m.Version)
	if p.named() {
		if p.n.shelf != nil {
			p.n.w.fail("%s: start %v is accepted, of a directory from before start %v", p.n.id, p.self.Start, p.n.shelf.starts.now)
		}
		p.n.disk.starts.accept(m.Version) // synced before the map is acted on
	}
	p.supersededBy(m)
	p.everywhere(func(g *replica.Group, now replica.Time) { g.SetMap(now, m) })
	p.abandonAll()
	p.moved()
	switch {
	case p.named():
		p.wasNamed = true
	case p.wasNamed:
		p.disowned()
	}
	p.mapChanged()
}

// disowned is what follows when the map names another boot, or another disk,
// than the one that runs: a registration of an earlier process came late. This
// boot is refused from then on; somebody starts the node again.
func (p *process) disowned() {
	n := p.n
	p.wasNamed = false
	if p.superseded() {
		return
	}
	n.w.coverage[disowned]++
	p.later(time.Second, func() {
		n.crash(false)
		n.start()
	})
}

// heartbeat tells all coordinators that the node lives, and how.
func (p *process) heartbeat() {
	w := p.n.w
	p.later(heartbeatEvery, p.heartbeat)
	if p.fenced() {
		return // it says nothing in its node's name
	}
	if s := p.stream; s >= 0 && (!w.coordinators[s-len(w.nodes)].up || !w.net.open(s, p.n.index)) && w.chance(0.4) {
		p.detach(s)
	}
	if p.stream < 0 {
		p.attach()
	}
	p.lookBack()
	report := throughProtocol(w, protocol.Heartbeat{Report: p.health()}).Report
	for _, c := range w.coordinators {
		w.net.send(p.n.index, c.index, func() {
			if c.up {
				c.hears(p.n.id, partition.Stamp{Version: report.MapVersion, History: report.MapHistory})
				c.detector.Heartbeat(c.now(), liveness.Process(p.self), report)
			}
		})
	}
}

// health is what a heartbeat says.
func (p *process) health() liveness.Report {
	pending := p.n.disk.pendingFor()
	r := liveness.Report{OldestFsync: pending, LogQueue: 2 * pending, Leaving: p.released} // what waits has waited for the sync before too
	if p.m != nil {
		r.MapVersion, r.MapHistory = p.m.Version, p.m.History
	}
	now := p.now()
	p.statuses(func(s replica.Status) {
		// Nothing else damages a copy; one that a snapshot is taking the place of has no table.
		if s.Void && !p.n.w.profile.unsafe && p.n.disk.copies[s.Partition].twist == 0 && p.tables[s.Partition] != nil {
			w := p.n.w
			w.fail("%s takes its copy for useless: %s", p.n.id, w.describePartition(s.Partition))
		}
		if s.Corrupt != "" {
			r.Corrupt = append(r.Corrupt, liveness.Corrupt{Partition: s.Partition, Void: s.Void})
		}
		if s.NotServingSince != 0 {
			r.NotServing = append(r.NotServing, liveness.NotServing{Partition: s.Partition, Epoch: s.Epoch, For: now.Sub(s.NotServingSince)})
		}
	})
	return r
}

// propose takes the changes that a group asks for to the leader, which may turn
// them round (C4).
func (p *process) propose(changes []partition.Change) {
	w := p.n.w
	for _, c := range changes {
		w.coverage[proposed]++
		if c.Primary != c.Proposer {
			w.coverage[handOversAsked]++
		}
		w.logf("%s proposes %s at epoch %d: primary %s, in sync %v (%s)", p.n.id, c.Partition, c.Epoch, c.Primary, partition.Nodes(c.Replicas), c.Reason)
	}
	changes = throughProtocol(w, protocol.Propose{Changes: changes}).Changes
	p.toLeader(func(c *coordinator) {
		var judged []partition.Change
		for _, change := range changes {
			verdict, ripe := c.detector.Judge(c.now(), w.raft.machine.Map(), change)
			switch {
			case !ripe:
				w.coverage[notJudged]++
				continue
			case verdict.Primary != change.Primary:
				w.coverage[turnedRound]++
			}
			judged = append(judged, verdict)
		}
		if len(judged) == 0 {
			return
		}
		w.raft.propose(state.Changes{Changes: judged})
	})
}
