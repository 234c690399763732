package liveness

import (
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// Judge decides rule C4 on a change that a node asks for: where a primary's
// accusations would leave fewer than min-in-sync while the accused are alive, it
// is answered the other way round. One of the accused becomes primary, and the
// accuser is removed: its outward path is what is broken. All other changes come
// back as they are.
//
// It returns false while it is too early to tell: some accused node is neither
// suspected nor heard from since the accuser lost it. Two nodes that die
// together must not be taken for alive for the second that suspicion takes. The
// caller then proposes nothing; the node asks again.
func (d *Detector) Judge(now time.Duration, m *partition.Map, c partition.Change) (partition.Change, bool) {
	cur, placed := m.Partition(c.Partition)
	if !placed || c.Proposer == "" || c.Proposer != cur.Primary || c.Epoch != cur.Epoch || c.Primary != c.Proposer ||
		len(c.Replicas) >= m.Settings.MinInSync {
		return c, true
	}
	health := d.survey(now, m)
	var alive, kept []partition.Replica
	for _, r := range cur.Replicas {
		if _, stays := partition.Find(c.Replicas, r.Node); stays {
			if r.Node != c.Proposer {
				kept = append(kept, r)
			}
			continue
		}
		if _, void := d.corrupt(m, c.Partition, r.Node); void {
			continue // whoever has a way to it: it could not be primary
		}
		switch d.accused(now, m, health, r.Node) {
		case Live:
			alive = append(alive, r)
			kept = append(kept, r)
		case Unclear:
			return partition.Change{}, false
		}
	}
	if len(alive) == 0 {
		return c, true
	}
	p := d.planner(now, m, health)
	return partition.Change{
		Partition: c.Partition, Epoch: c.Epoch, Primary: p.fewestPrimaries(c.Partition, alive), Replicas: kept,
		Reason: fmt.Sprintf("%s accuses %s, which the coordinators hear: its own way out is broken", c.Proposer, names(alive)),
	}, true
}

// accused is a node's state by what was heard within Fresh. An accusation is
// older than that, so a node heard since then was alive after the accuser lost
// it.
func (d *Detector) accused(now time.Duration, m *partition.Map, health map[partition.NodeID]Health, id partition.NodeID) State {
	n, known := m.Node(id)
	if !known || health[id].State != Live {
		return health[id].State
	}
	if b := d.boots[ProcessOf(n)]; now-b.last >= d.config.Fresh {
		return Unclear
	}
	return Live
}

// names joins the nodes of a list for a reason in words.
func names(replicas []partition.Replica) string {
	out := make([]string, len(replicas))
	for i, r := range replicas {
		out[i] = string(r.Node)
	}
	return strings.Join(out, ", ")
}
