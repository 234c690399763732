package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// link is one node's connection to another's process. What is sent on it
// reaches that process or nobody; it breaks when the process dies, and may
// break while the network between them is cut.
type link struct {
	up     bool
	boot   uint64 // of the process at the other end
	number uint64 // of this connection among all
	node   partition.NodeID
}

const redial = 150 * time.Millisecond

// dial tries for ever to have a link to the other node while this process lives.
func (p *process) dial(to int) {
	w := p.n.w
	p.later(w.between(redial/10, redial), func() {
		l, other := &p.links[to], w.nodes[to]
		switch {
		case l.up:
			return
		case other.idle():
			return
		case !other.up || !w.net.open(p.n.index, to) || other.paused || p.place(other.id) != to:
			p.dial(to)
			return
		}
		w.connections++
		l.up, l.boot, l.number, l.node = true, other.boot, w.connections, other.id
		p.everywhere(func(g *replica.Group, now replica.Time) { g.Connection(now, other.id, true) })
	})
}

// broken ends the link: calls under way may have arrived.
func (p *process) broken(to int) {
	l := &p.links[to]
	if !l.up {
		return
	}
	w := p.n.w
	l.up = false
	w.coverage[linkBroken]++
	w.logf("%s loses its connection to %s", p.n.id, l.node)
	// Where the node runs on another machine by now, that connection counts.
	if !slices.ContainsFunc(p.links, func(o link) bool { return o.up && o.node == l.node }) {
		p.everywhere(func(g *replica.Group, now replica.Time) { g.Connection(now, l.node, false) })
	}
	for _, q := range p.calls(to) {
		q.failed(true)
	}
	for _, o := range slices.Clone(p.outgoing) {
		if o.to == to {
			o.interrupted()
		}
	}
	p.dial(to)
}

// lostPeer lets the others find out that a node's process is gone: mostly at
// once, by a reset; after a power loss, or through a cut, by silence.
func (w *world) lostPeer(dead *node, silent bool) {
	boot := dead.boot
	for _, other := range w.nodes {
		if other == dead || !other.up {
			continue
		}
		p := other.process
		d := w.between(100*time.Microsecond, 5*time.Millisecond)
		if silent || !w.net.open(dead.index, other.index) {
			d = w.between(500*time.Millisecond, 4*time.Second)
		}
		p.later(d, func() {
			if l := &p.links[dead.index]; l.up && l.boot == boot {
				p.broken(dead.index)
			}
		})
	}
}

// strain breaks links between two machines that are cut off from one another,
// sooner or later, or not at all.
func (w *world) strain(a, b int, d time.Duration) {
	if a >= len(w.nodes) || b >= len(w.nodes) {
		return
	}
	for _, pair := range [2][2]int{{a, b}, {b, a}} {
		n, to := w.nodes[pair[0]], pair[1]
		if !n.up || w.chance(0.3) {
			continue
		}
		p, boot := n.process, n.process.links[to].boot
		p.later(w.between(10*time.Millisecond, d+d/4), func() {
			if p.links[to].boot == boot && !w.net.open(pair[0], pair[1]) {
				p.broken(to)
			}
		})
	}
}
