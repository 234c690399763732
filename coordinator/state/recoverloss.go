package state

import (
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// mayLose says in words what may be lost of the partition.
func (v *recovery) mayLose(s *source, next *partition.Configuration) string {
	switch {
	case s.forked:
		return "two histories have written to it: it waits for unsafe-recover, which chooses a copy"
	case s.anew:
		return "all of it: no node has a copy. It is placed anew, empty, and waits for unsafe-recover"
	case len(next.Replicas) == 0 && len(next.Eligible) > 0:
		return "nothing, but no replica in sync is left: it waits for recover"
	case len(next.Replicas) == 0:
		return "no replica in sync is left: it waits for unsafe-recover"
	case v.losing(s):
		return "what was acknowledged while only copies were in sync that are gone"
	}
	return ""
}

// losing reports whether something that was acknowledged may be on no disk that
// is left. Every later configuration has grown out of a replica in sync, or
// eligible, of the one that the partition goes on from. So nothing is lost while
// all of those are there, nor while fewer disks are gone than an acknowledgement
// needs. A lost node counts wherever it was: a configuration that nobody has
// reported may have named it.
func (v *recovery) losing(s *source) bool {
	gone := map[partition.NodeID]bool{}
	for _, m := range slices.Concat(s.adopted.Replicas, s.adopted.Eligible) {
		if !v.has(s.adopted, m) || v.older(s.adopted, m) {
			gone[m.Node] = true
		}
	}
	if len(gone) == 0 {
		return false
	}
	for id := range v.lost {
		gone[id] = true
	}
	cur, placed := v.old.Partition(s.adopted.ID)
	if placed {
		v.wiped(cur, gone)
	}
	for i := range v.memory.behind.Reports {
		if have, ok := v.memory.behind.Reports[i].copy(s.adopted.ID); ok && have.Configuration != nil {
			v.wiped(have.Configuration, gone)
		}
	}
	return len(gone) >= v.old.Settings.MinInSync
}

// wiped adds the nodes that a configuration names, and whose copy is gone with
// its store, or is damaged. A copy that is missing on the same store was dropped,
// which a node does only when it is not counted on any more.
func (v *recovery) wiped(c *partition.Configuration, gone map[partition.NodeID]bool) {
	for _, m := range slices.Concat(c.Replicas, c.Learners, c.Eligible, c.Unavailable) {
		r, reported := v.used(m.Node)
		if !reported {
			continue
		}
		if have, ok := r.copy(c.ID); r.Node.Store != m.Store || ok && have.Lineage == 0 {
			gone[m.Node] = true
		}
	}
}
