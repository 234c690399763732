package simulation

import (
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

// checkRepaired counts the schedules that end with every replica in sync.
func (w *world) checkRepaired() {
	m := w.raft.machine.Map()
	for i := range m.Partitions {
		if len(m.Partitions[i].Replicas) < w.settings.ReplicationFactor {
			w.logf("not whole: %s", w.describePartition(partition.ID(i)))
			return
		}
	}
	w.coverage[repaired]++
}
