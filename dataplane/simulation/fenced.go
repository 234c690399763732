package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// A process is superseded from when a map that it has gives its node's place to
// another start: another store, or a start that it does not know. From then on it
// must be silent, before it asks anybody: it serves nothing, acknowledges nothing,
// grants, releases and proposes nothing, and writes nothing.

// supersededBy notes that a map gives this process's place to another start. A map
// of coordinators that went back may name an earlier start of the store: then this
// one registers again, and so shows them.
func (p *process) supersededBy(m *partition.Map) {
	in, known := m.Node(p.n.id)
	if p.over || !p.wasNamed || !known || in.Store == p.self.Store && in.Start() == p.self.Start {
		return
	}
	if p.n.w.back.history > 0 && in.Store == p.self.Store && !p.self.Start.SupersededBy(in.Start()) {
		return
	}
	p.over = true
	for _, l := range p.lanes {
		l.answersDue = l.batching
	}
	p.n.w.coverage[fenced]++
	p.n.w.logf("%s is superseded by start %v of store %s", p.n.id, in.Start(), in.Store)
}

// checkSilent fails the schedule where a superseded process says or writes
// something. It may end what is under way: with an unknown outcome, or unserved.
func (l *lane) checkSilent(out *replica.Output) {
	p := l.p
	if !p.over {
		return
	}
	if len(out.Messages)+len(out.Records)+len(out.Proposals)+len(out.Snapshots) > 0 {
		p.n.w.fail("%s is superseded, and goes on: %d messages, %d records, %d proposals, %d snapshots", p.n.id,
			len(out.Messages), len(out.Records), len(out.Proposals), len(out.Snapshots))
	}
	if l.answersDue {
		l.answersDue = false
		return
	}
	for i := range out.Answers {
		if a := &out.Answers[i]; a.Outcome != replica.Unknown && a.Outcome != replica.NotPrimary && a.Outcome != replica.TimedOut {
			p.n.w.fail("%s is superseded, and answers an operation on %s with outcome %d", p.n.id, a.Partition, a.Outcome)
		}
	}
}

// checkRead fails the schedule where a superseded process answers a read from its
// own copy.
func (p *process) checkRead(q *request) {
	if p.over {
		p.n.w.fail("%s is superseded, and answers %s from its copy", p.n.id, q.call)
	}
}

// abandoned ends a request at a fenced process: it asks no other node.
func (q *request) abandoned() bool {
	if !q.p.fenced() {
		return false
	}
	d := q.routing.Abandon(q.p.now())
	q.p.n.w.coverage[abandonedAtFence]++
	q.finish(d.Verdict, d.Answer)
	return true
}

// abandonAll ends the requests at a process that has just been fenced.
func (p *process) abandonAll() {
	if !p.fenced() {
		return
	}
	for len(p.requests) > 0 {
		p.requests[0].abandoned()
	}
}

// hinder lets a process run, stand still, or be cut off, while a second one gets
// its node's place.
func (w *world) hinder(n *node) {
	switch w.pick(3) {
	case 0:
		n.pause(w.between(0, 4*time.Second))
	case 1:
		w.isolate(n)
	}
}

// usurp gives a node's place to a second process, with a disk of its own, at the
// node's address. That one dies at once; somebody starts the first again once it
// has noticed.
func (w *world) usurp(n *node) {
	if _, known := w.raft.machine.Map().Node(n.id); !known || !n.up || n == w.spare() || !n.process.named() ||
		n.process.over || n.process.leaving || w.profile.unsafe || !w.mayWipe(n) {
		return
	}
	w.coverage[faultUsurped]++
	n.usurped = n.boot
	w.logf("a second process, with a disk of its own, gets the place of %s", n.id)
	w.hinder(n)
	w.register(n, false)
}

// givenAway reports whether the node's place was given to a second process, which
// the coordinators may not have heard of yet: its copies are about to count no more.
func (n *node) givenAway() bool {
	return n.usurped != 0 && n.boot == n.usurped
}

// usurpedRuns reports whether a process runs that does not know yet that a second
// one has its node's place: it may be the primary that was alone in sync, and whoever
// recovers its partitions from others vouches that it is gone.
func (w *world) usurpedRuns() bool {
	m := w.raft.machine.Map()
	return slices.ContainsFunc(w.nodes, func(n *node) bool { return n.up && n.process.wasNamed && !n.names(m) })
}

// register registers a second process with the node's ID: one with a disk of its own
// at the node's address, or one on a copy of the node's directory elsewhere.
func (w *world) register(n *node, copied bool) {
	in, _ := w.raft.machine.Map().Node(n.id)
	second := *in
	second.StartID = partition.StartID(w.random.Uint64() | 1)
	r := state.Register{}
	for _, other := range w.nodes {
		if other.up && other.id != n.id {
			r.Live = append(r.Live, other.id)
		}
	}
	if copied {
		w.abandoned = true
		r.Accepted, r.Silent = in.Start(), in.Start()
		second.Incarnation, second.PeerAddr = in.Incarnation+1, "elsewhere:7071"
		for _, c := range n.process.copies {
			r.Copies = append(r.Copies, state.Copy{Partition: c.partition, Epoch: c.epoch, Lineage: c.lineage})
		}
	} else {
		second.Store, second.Incarnation = partition.StoreID(w.random.Uint64()|1), 1
	}
	r.Node = second
	w.raft.propose(r)
}
