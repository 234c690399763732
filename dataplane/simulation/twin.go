package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// A twin is a process on a copy of a node's directory, at another address. It runs
// on a machine of its own, the last of w.nodes, which is idle at other times. The
// node's first process may be running meanwhile, stand still, or be cut off.

// bases are the machines that nodes run on usually, one for each node.
func (w *world) bases() []*node { return w.nodes[:w.profile.nodes] }

// spare is the machine that twins run on.
func (w *world) spare() *node { return w.nodes[w.profile.nodes] }

// idle reports whether no process belongs on the machine.
func (n *node) idle() bool { return n.id == "" }

// nextAddress draws an address that nobody had before.
func (w *world) nextAddress() int {
	w.addresses++
	return w.addresses
}

func (n *node) peerAddr() string { return fmt.Sprintf("%s-%d:7071", n.id, n.address) }

// home is the machine where the coordinators' map has a node.
func (w *world) home(id partition.NodeID) *node {
	if in, known := w.raft.machine.Map().Node(id); known && w.spare().id == id && in.PeerAddr == w.spare().peerAddr() {
		return w.spare()
	}
	return w.nodes[w.index(id)]
}

// place is the machine that a process takes for a node's, by its own map.
func (p *process) place(id partition.NodeID) int {
	w := p.n.w
	if s := w.spare(); s.id == id && p.m != nil {
		if in, known := p.m.Node(id); known && in.PeerAddr == s.peerAddr() {
			return s.index
		}
	}
	return w.index(id)
}

// moved breaks the connections to machines that a newer map does not have a node
// on any more.
func (p *process) moved() {
	for to, other := range p.n.w.nodes {
		if p.links[to].up && !other.idle() && other.id != p.n.id && p.place(other.id) != to {
			p.broken(to)
		}
	}
}

// atMapped reports whether the node's machine is where the map has the node.
func (n *node) atMapped() bool {
	in, known := n.w.raft.machine.Map().Node(n.id)
	return !known || in.PeerAddr == n.peerAddr()
}

// toMapped gives the node the address that the map has.
func (n *node) toMapped() {
	if in, known := n.w.raft.machine.Map().Node(n.id); known {
		_, _ = fmt.Sscanf(in.PeerAddr, string(n.id)+"-%d:7071", &n.address)
	}
}

// twin starts a copy of a running node's directory on the spare machine.
func (w *world) twin(n *node) {
	s := w.spare()
	if !s.idle() || !n.up || n.givenAway() || n.process.leaving || w.profile.unsafe || !n.names(w.raft.machine.Map()) || !w.mayMove(n) {
		return
	}
	w.coverage[faultTwin]++
	s.id, s.disk, s.address = n.id, n.disk.clone(), w.nextAddress()
	w.logf("a copy of the directory of %s is started at %s", n.id, s.peerAddr())
	switch w.pick(3) {
	case 0:
		n.pause(w.between(w.timings.Lease, 4*time.Second))
	case 1:
		w.isolate(n)
	}
	for _, other := range w.bases() {
		if other.up && other.id != s.id {
			other.process.dial(s.index)
		}
	}
	w.after(w.between(0, 300*time.Millisecond), s.start)
	w.after(w.between(2*time.Second, 8*time.Second), w.settleTwin)
}

// settleTwin is what people do about a twin: where it has the node's place, its
// directory is the node's from then on, and moves to the node's machine. Otherwise
// it is stopped.
func (w *world) settleTwin() {
	s := w.spare()
	if s.idle() {
		return
	}
	base := w.nodes[w.index(s.id)]
	accepted := s.hasPlace()
	s.crash(false)
	if accepted {
		w.coverage[twinsAccepted]++
		base.goOnWith(s.disk)
	} else {
		w.coverage[twinsStopped]++
		base.stoppedTwin, base.twinStopped = s.disk, w.now
	}
	s.id, s.disk = "", w.newDisk()
	base.start()
}

// goOnWith makes another directory the node's, and starts it at another address.
func (n *node) goOnWith(d *disk) {
	w := n.w
	w.logf("%s goes on with the copy of its directory", n.id)
	n.crash(false)
	w.wiped = append(w.wiped, n.disk)
	n.disk, n.backup, n.shelf, n.stoppedTwin, n.address = d, nil, nil, nil, w.nextAddress()
	n.start()
}

// correctAddresses starts a node with an empty disk where the map has it, once the
// coordinators have told why they refuse it elsewhere: the map has changed meanwhile.
func (w *world) correctAddresses() {
	m := w.raft.machine.Map()
	for _, n := range w.bases() {
		in, known := m.Node(n.id)
		if !known || !n.up || n.paused || n.process.named() || in.Store == n.disk.store || n.atMapped() || w.now < n.started.add(3*time.Second) {
			continue
		}
		w.logf("%s starts at the address that the map has", n.id)
		n.crash(false)
		n.toMapped()
		n.start()
	}
}

// registering is for how long the request of a process that has ended may be on its way
// to the leader.
const registering = 5 * time.Second

// twinMayCome reports whether a twin that was stopped may still get its node's place:
// the node's copies would count no more.
func (w *world) twinMayCome() bool {
	return slices.ContainsFunc(w.bases(), func(n *node) bool {
		return n.stoppedTwin != nil && (w.now < n.twinStopped.add(registering) || w.raft.underWay[n.id] > 0)
	})
}

// acceptedLate puts the copies of directories back that were stopped, where the map
// turns out to name a start of theirs: its registration was under way.
func (w *world) acceptedLate() {
	m := w.raft.machine.Map()
	for _, n := range w.bases() {
		in, known := m.Node(n.id)
		if d := n.stoppedTwin; d != nil && known && n.shelf == nil && w.spare().idle() && in.Store == d.store && n.disk.store == d.store && d.starts.knows(in.Start()) && !n.disk.starts.knows(in.Start()) {
			w.coverage[twinsAcceptedLate]++
			n.goOnWith(d)
		}
	}
}

// hasPlace reports whether the map names a start of the twin.
func (n *node) hasPlace() bool {
	in, known := n.w.raft.machine.Map().Node(n.id)
	base := n.w.nodes[n.w.index(n.id)]
	return known && n.disk.starts.knows(in.Start()) && !base.disk.starts.knows(in.Start())
}

// superseded ends a process whose place a twin has: it is not started again before
// somebody has found out why.
func (p *process) superseded() bool {
	w := p.n.w
	if w.spare().id != p.n.id || p.n == w.spare() || !w.spare().hasPlace() {
		return false
	}
	w.coverage[processesSuperseded]++
	p.later(w.between(0, time.Second), func() { p.n.crash(false) })
	return true
}

// acceptStarts is the operator's word for directories with the only copy of a
// partition: he knows which of them are the nodes' own.
func (w *world) acceptStarts() {
	for _, u := range w.raft.machine.Unsettled() {
		if n := w.nodes[w.index(u.Node)]; u.Elsewhere && !u.Chosen && n.up && n.peerAddr() == u.PeerAddr && n.disk.store == u.Store {
			w.coverage[startsVouched]++
			w.admin(state.AcceptStart{Node: u.Node, Store: u.Store, Start: u.Start, Accepted: u.Accepted})
		}
	}
}
