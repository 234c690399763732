package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// expelling is how much longer it takes until all is well where copies differ:
// they are found by and by, and their nodes start again.
const expelling = 8 * time.Second

// diverge gives a copy a rolling hash that is not the others', as if it had
// applied something else. What it holds stays right, so that the checker can
// tell whether getting rid of it loses anything. One copy at a time, and only
// where another disk holds everything.
func (w *world) diverge(n *node) {
	id := w.pick(w.settings.Partitions)
	if !n.up || !n.disk.copies[id].exists || !w.mayWipe(n) {
		return
	}
	for id := range w.settings.Partitions {
		if w.twisted(partition.ID(id)) {
			return
		}
	}
	w.coverage[faultDivergence]++
	n.disk.copies[id].twist = w.random.Uint64() | 1
	w.logf("%s has a copy of %s that differs", n.id, partition.ID(id))
}

// found acts on what a check of the hashes came to, as the node's driver does: a
// copy that is expelled is put aside, and the node starts again without it.
func (p *process) found(f replica.Finding) {
	w, n := p.n.w, p.n
	w.logf("%s finds %d about %s at %d, %d compared, expels %q", n.id, f.Kind, f.Partition, f.Sequence, f.Compared, f.Expels)
	switch f.Kind {
	case replica.HashesEqual:
		w.coverage[hashesEqual]++
	case replica.HashesDiffer:
		w.coverage[hashesDiffer]++
		if !w.differs(f.Partition) {
			w.fail("%s finds that copies of %s differ, and none does", n.id, f.Partition)
		}
	case replica.Corrupt:
		w.coverage[copiesExpelled]++
		c := &n.disk.copies[f.Partition]
		if c.twist == 0 {
			w.fail("%s gives up a copy of %s that is right: %s", n.id, f.Partition, f.Reason)
			return
		}
		c.marked = true
		boot := n.boot
		w.after(w.between(0, 200*time.Millisecond), func() {
			if n.up && n.boot == boot {
				n.crash(false)
				w.restart(n, w.between(10*time.Millisecond, time.Second))
			}
		})
	case replica.EntriesRefused:
		w.fail("%s sends %s entries of %s that are not contiguous, after %d", f.Sender, n.id, f.Partition, f.Sequence)
	}
}

// putAside makes the copies lost that were marked.
func (n *node) putAside() {
	w := n.w
	for id := range n.disk.copies {
		if n.disk.copies[id].marked {
			w.wiped = append(w.wiped, &disk{w: w, copies: slices.Clone(n.disk.copies)})
			n.disk.copies[id] = diskCopy{lost: true}
		}
	}
}

// twisted reports whether some copy of the partition has another hash.
func (w *world) twisted(id partition.ID) bool {
	return slices.ContainsFunc(w.nodes, func(n *node) bool {
		return n.disk.copies[id].twist != 0 || n.shelf != nil && n.shelf.copies[id].twist != 0
	})
}

// differs reports whether some copy of the partition has, or lately had, another
// hash: a primary that was paused judges late, and the copy may be gone by then.
func (w *world) differs(id partition.ID) bool {
	return w.twisted(id) || w.dropped[id] || slices.ContainsFunc(w.wiped, func(d *disk) bool { return d.copies[id].twist != 0 })
}
