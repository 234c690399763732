package simulation

import "time"

func (w *world) cut(from int, both bool) {
	to := w.pick(w.net.size)
	if to == from {
		to = (to + 1) % w.net.size
	}
	d := w.duration(5 * time.Second)
	if both {
		w.coverage[faultCutBothWays]++
		w.net.block(from, to, d)
		w.net.block(to, from, d)
	} else {
		w.coverage[faultCutOneWay]++
		if w.chance(0.5) {
			from, to = to, from
		}
		w.net.block(from, to, d)
	}
	w.logf("cut %s to %s (both ways %v) for %v", w.name(from), w.name(to), both, d)
	w.strain(from, to, d)
}

// isolate cuts a node off from all others: what it sends, what it hears, or both.
func (w *world) isolate(n *node) {
	w.coverage[faultIsolated]++
	d := w.duration(5 * time.Second)
	way := w.pick(3)
	size := w.net.size
	if w.chance(0.4) {
		size = len(w.nodes) // the coordinators still reach it
	}
	w.logf("%s is isolated (way %d) for %v", n.id, way, d)
	for other := range size {
		if other == n.index {
			continue
		}
		if way != 0 {
			w.net.block(n.index, other, d)
		}
		if way != 1 {
			w.net.block(other, n.index, d)
		}
		w.strain(n.index, other, d)
	}
}

// split cuts some nodes, a primary among them mostly, off from all the others and
// from the coordinators; among themselves they are whole.
func (w *world) split(n *node) {
	w.coverage[faultSplit]++
	d := w.duration(5 * time.Second)
	side := make([]bool, w.net.size)
	side[n.index] = true
	for range 1 + w.pick(len(w.nodes)/2) {
		side[w.pick(len(w.nodes))] = true
	}
	w.logf("split for %v: %v", d, side)
	for a := range w.net.size {
		for b := range a {
			if side[a] != side[b] {
				w.net.block(a, b, d)
				w.net.block(b, a, d)
				w.strain(a, b, d)
			}
		}
	}
}

// reset breaks connections of a node though nothing is wrong with the network:
// what is under way on them may still arrive, long after what is sent later.
func (w *world) reset(n *node) {
	w.coverage[faultReset]++
	for other := range w.nodes {
		if other == n.index || !n.up || w.chance(0.5) {
			continue
		}
		n.process.later(0, func() { n.process.broken(other) })
		if o := w.nodes[other]; o.up {
			o.process.later(w.between(0, 5*time.Millisecond), func() { o.process.broken(n.index) })
		}
	}
}
