package simulation

import (
	"slices"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// probeKey writes a key by way of a node, and reads it. Both must be answered.
func (w *world) probeKey(n *node, k *key) {
	for _, action := range [2]replica.Action{replica.Put, replica.Get} {
		w.send(&call{w: w, index: len(w.calls), key: k, timeout: probing, action: action, probe: true}, n)
	}
}

// checkEnd runs when the schedule is over: the cluster serves again, and what
// clients saw was linearizable.
func (w *world) checkEnd() {
	for _, c := range w.calls {
		if c.probe && !w.given(c.key.partition) && (c.fate == open || c.fate == neverTaken) {
			w.fail("STUCK: %s by way of %s, %v after the last fault, ends with %s; %s", c, c.node.id, w.peace, fateNames[c.fate], w.describePartition(c.key.partition))
			return
		}
	}
	w.checkRepaired()
	w.checkCoordinators()
	w.checkMarksNoted()
	w.checkSwept()
	w.checkHistory()
}

// given reports whether a partition is lost by the cluster's own settings: with
// a min-in-sync of 1 the last replica may be alone, and its disk be wiped, before
// anybody knows. A recovered map may leave one to unsafe-recover too: where the last
// replica in sync had not adopted the epoch that added it, its report does not tell
// it from a copy that was begun anew.
func (w *world) given(id partition.ID) bool {
	c := &w.raft.machine.Map().Partitions[id]
	if len(c.Replicas) > 0 || len(c.Eligible) > 0 {
		return false
	}
	if w.back.history > 0 && c.Epoch >= 1<<20 {
		w.coverage[leftToUnsafeRecover]++
		return true
	}
	return w.settings.MinInSync == 1 || w.profile.unsafe
}

// removal names a replica that the map took out of a partition's in-sync set.
type removal struct {
	partition partition.ID
	node      partition.NodeID
}

// noteRemovals counts what a change of the map takes out of the in-sync set.
func (w *world) noteRemovals(old, now *partition.Configuration) {
	for _, r := range old.Replicas {
		if !now.InSync(r.Node) {
			w.removals[removal{now.ID, r.Node}]++
		}
	}
}

// readmits reports whether the partition lacks only replicas that were removed more
// than once: their primary lets them wait (K3).
func (w *world) readmits(c *partition.Configuration) bool {
	waiting := slices.DeleteFunc(slices.Clone(c.Learners), func(r partition.Replica) bool { return w.removals[removal{c.ID, r.Node}] < 2 })
	return len(c.Replicas)+len(waiting) >= min(w.settings.ReplicationFactor, len(c.Replicas)+len(c.Learners)) && len(waiting) > 0
}

// returns reports whether a learner's node started only just: as it does after it has
// put a copy aside that the last check of the hashes found to be wrong.
func (w *world) returns(c *partition.Configuration) bool {
	return slices.ContainsFunc(c.Learners, func(r partition.Replica) bool {
		return w.now < w.home(r.Node).started.add(settled)
	})
}

// checkRepaired fails a schedule that ends with a replica out of sync though there is
// a node for it, and nothing has gone wrong for a while.
func (w *world) checkRepaired() {
	if w.abandoned {
		return
	}
	m := w.raft.machine.Map()
	full := 0
	for i := range m.Nodes {
		if m.Nodes[i].Duty == partition.Full {
			full++
		}
	}
	wanted := min(w.settings.ReplicationFactor, full)
	for i := range m.Partitions {
		c := &m.Partitions[i]
		if len(c.Replicas) < wanted && !w.given(c.ID) && !w.readmits(c) && !w.returns(c) {
			w.fail("NOT WHOLE: %v after the last fault, %d of %d replicas are in sync: %s", w.peace, len(c.Replicas), wanted, w.describePartition(c.ID))
			return
		}
	}
	w.coverage[repaired]++
}
