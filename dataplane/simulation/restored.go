package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// clone is a copy of what a directory holds, as people make one while no process
// has it open.
func (d *disk) clone() *disk {
	return &disk{w: d.w, store: d.store, starts: d.starts, held: d.held, copies: slices.Clone(d.copies)}
}

// backUp copies the directory before a start, now and then.
func (n *node) backUp() {
	if n.shelf == nil && n.disk.starts.now.Incarnation > 0 && (n.backup == nil || n.w.chance(0.5)) {
		n.backup = n.disk.clone()
	}
}

// newest is the directory that the map knows: the one in use, or that which a
// restored copy has taken the place of.
func (n *node) newest() *disk {
	if n.shelf != nil && !n.names(n.w.raft.machine.Map()) {
		return n.shelf
	}
	return n.disk
}

// names reports whether the map names the latest start on the directory in use.
func (n *node) names(m *partition.Map) bool {
	in, known := m.Node(n.id)
	return known && in.Store == n.disk.store && in.Start() == n.disk.starts.now
}

// shelved reports whether some node runs on a restored copy, or has a twin.
func (w *world) shelved() bool {
	return !w.spare().idle() || slices.ContainsFunc(w.nodes, func(n *node) bool { return n.shelf != nil })
}

// restoreDirectory ends a node's process and puts a copy from before its present
// start in the place of its directory. The coordinators must refuse it; after a
// while somebody puts the right one back.
func (w *world) restoreDirectory(n *node) {
	b := n.backup
	if b == nil || !n.up || n.givenAway() || w.shelved() || b.store != n.disk.store || w.profile.unsafe ||
		n.disk.starts.accepted != n.disk.starts.now || n.process.leaving {
		return
	}
	w.coverage[faultRestoredDirectory]++
	n.crash(false)
	n.shelf, n.disk = n.disk, b.clone()
	w.logf("%s gets a copy of its directory from before start %v", n.id, n.shelf.starts.now)
	w.restart(n, w.between(10*time.Millisecond, 500*time.Millisecond))
	shelf := n.shelf
	w.after(w.between(time.Second, 6*time.Second), func() {
		if n.shelf == shelf {
			n.putBack()
			n.start()
		}
	})
}

// putBack ends what runs on a restored copy, and puts the newest directory back.
func (n *node) putBack() {
	if n.shelf == nil {
		return
	}
	n.crash(false)
	n.disk, n.shelf = n.shelf, nil
	n.w.logf("%s gets its newest directory back", n.id)
}

// moveDirectory ends a node's process and starts the next on the same directory
// at another address.
func (w *world) moveDirectory(n *node) {
	if !n.up || n.givenAway() || !n.names(w.raft.machine.Map()) || !w.mayMove(n) {
		return
	}
	w.coverage[faultMovedDirectory]++
	n.crash(w.chance(0.5))
	n.address = w.nextAddress()
	w.logf("%s moves to another address", n.id)
	w.restart(n, w.duration(3*time.Second))
}
