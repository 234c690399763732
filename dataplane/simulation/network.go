package simulation

import (
	"slices"
	"time"
)

// network carries everything between machines: data nodes first, coordinators
// after them, by index. It delays, loses, repeats and reorders; a cut from one
// machine to another loses all that is sent there while it is in force.
type network struct {
	w    *world
	size int
	cuts []int     // in force, by from*size+to
	last []instant // when the last message sent arrives, where they stay in order
	// storm is until when everything takes long.
	storm instant
}

func newNetwork(w *world, size int) *network {
	return &network{w: w, size: size, cuts: make([]int, size*size), last: make([]instant, size*size)}
}

func (n *network) cut(from, to int) bool { return n.cuts[from*n.size+to] > 0 }

// open reports whether both directions work.
func (n *network) open(a, b int) bool { return !n.cut(a, b) && !n.cut(b, a) }

// disturbed reports whether something is cut, or takes long.
func (n *network) disturbed() bool {
	return n.w.now < n.storm || slices.ContainsFunc(n.cuts, func(inForce int) bool { return inForce > 0 })
}

// block cuts one direction for a while.
func (n *network) block(from, to int, d time.Duration) {
	if from == to {
		return
	}
	at := from*n.size + to
	n.cuts[at]++
	n.w.after(d, func() {
		if n.cuts[at] > 0 { // healing clears them all
			n.cuts[at]--
		}
	})
}

// delay draws how long a message is under way.
func (n *network) delay() time.Duration {
	w := n.w
	if w.quiet {
		return w.between(200*time.Microsecond, 2*time.Millisecond)
	}
	if w.now < n.storm {
		return w.between(time.Millisecond, w.profile.stormDelay)
	}
	switch x := w.random.Float64(); {
	case x < w.profile.late/8:
		return w.between(0, 3*time.Second)
	case x < w.profile.late:
		return w.between(0, 500*time.Millisecond)
	case x < 0.2:
		return w.between(2*time.Millisecond, 30*time.Millisecond)
	default:
		return w.between(200*time.Microsecond, 3*time.Millisecond)
	}
}

// send makes arrive happen after a delay, perhaps never, perhaps twice.
func (n *network) send(from, to int, arrive func()) {
	w := n.w
	if n.cut(from, to) {
		w.coverage[lostToCut]++
		return
	}
	if !w.quiet && w.chance(w.profile.loss) {
		w.coverage[lost]++
		return
	}
	n.carry(from, to, arrive)
	if !w.quiet && w.chance(w.profile.duplicate) {
		w.coverage[duplicated]++
		w.after(n.delay(), arrive)
	}
}

// once is send for what travels in a call: it is never repeated.
func (n *network) once(from, to int, arrive func()) {
	w := n.w
	if n.cut(from, to) || !w.quiet && w.chance(w.profile.loss) {
		w.coverage[lostToCut]++
		return
	}
	n.carry(from, to, arrive)
}

func (n *network) carry(from, to int, arrive func()) {
	at := n.w.now.add(n.delay())
	if last := &n.last[from*n.size+to]; n.w.profile.inOrder || n.w.quiet || n.w.chance(0.8) {
		at = max(at, *last)
		*last = at
	}
	n.w.at(at, arrive)
}

// heal ends every cut and storm.
func (n *network) heal() {
	clear(n.cuts)
	clear(n.last)
	n.storm = 0
}
