package liveness

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// State is what a detector makes of a node.
type State uint8

const (
	// Unclear: not heard since the periods began anew, and not for too long
	// either. Such a node is not removed, and not promoted.
	Unclear State = iota
	// Live: heard from, and useful.
	Live
	// Suspected: silent for too long, or alive but useless.
	Suspected
	// Leaving: heard from, and about to end.
	Leaving
)

// String returns the state's name in lower case.
func (s State) String() string { return [...]string{"unclear", "live", "suspected", "leaving"}[s] }

// Health is a node's state, and why, in words.
type Health struct {
	State  State
	Reason string
}

// Health tells how the node's boot in the map is.
func (d *Detector) Health(now time.Duration, m *partition.Map, id partition.NodeID) Health {
	return d.survey(now, m)[id]
}

// Survey tells how all nodes of the map are.
func (d *Detector) Survey(now time.Duration, m *partition.Map) map[partition.NodeID]Health {
	return d.survey(now, m)
}

// Live returns the nodes of the map that were heard from and are useful, sorted.
func (d *Detector) Live(now time.Duration, m *partition.Map) []partition.NodeID {
	health := d.survey(now, m)
	var live []partition.NodeID
	for i := range m.Nodes {
		if id := m.Nodes[i].ID; health[id].State == Live {
			live = append(live, id)
		}
	}
	return live
}

// Settled returns the live nodes that a booting one may give its primaries to:
// those whose own boot has been in the map for longer than a boot wait takes
// (rule L5), and whose log is not behind, for another could not serve them any sooner. So a cluster that
// starts as a whole keeps its primaries where they were, and does not heap them
// on whoever was first. A live node at the newcomer's address is always named.
func (d *Detector) Settled(now time.Duration, m *partition.Map, newcomer *partition.Node) []partition.NodeID {
	live := d.Live(now, m)
	return slices.DeleteFunc(live, func(id partition.NodeID) bool {
		in, _ := m.Node(id)
		return in.PeerAddr != newcomer.PeerAddr && !d.prompt(now, id)
	})
}

// settled reports whether a node of the map has been there, in this boot, for
// longer than a boot wait takes.
func (d *Detector) settled(now time.Duration, id partition.NodeID) bool {
	n := d.nodes[id]
	return n.since == 0 || now-n.since >= d.config.Settle
}

// prompt reports whether a node could serve soon if it were made primary: not one
// that has just booted (rule L5), nor one whose log is behind, where the new epoch
// and the marker would have to wait.
func (d *Detector) prompt(now time.Duration, id partition.NodeID) bool {
	said, _ := d.Report(d.nodes[id].process)
	return d.settled(now, id) && said.LogQueue <= d.config.Suspicion
}

// survey judges all nodes of the map. What a node does not serve is looked at
// last, for it depends on the others.
func (d *Detector) survey(now time.Duration, m *partition.Map) map[partition.NodeID]Health {
	d.observe(now, m)
	health := make(map[partition.NodeID]Health, len(m.Nodes))
	for i := range m.Nodes {
		health[m.Nodes[i].ID] = d.hears(now, &m.Nodes[i])
	}
	useless := d.complaints(now, m, health)
	for id, reason := range useless {
		health[id] = Health{Suspected, reason}
	}
	return health
}

// hears judges a node by its heartbeats alone.
func (d *Detector) hears(now time.Duration, in *partition.Node) Health {
	n := d.nodes[in.ID]
	b := d.boots[ProcessOf(in)]
	if b == nil || b.last < d.anew {
		return d.unheard(now, n)
	}
	if silent := now - b.last; silent > d.config.Suspicion {
		return Health{Suspected, fmt.Sprintf("no heartbeat for over %v", d.config.Suspicion)}
	}
	if b.report.OldestFsync > d.config.Suspicion {
		return Health{Suspected, fmt.Sprintf("an fsync takes over %v", d.config.Suspicion)}
	}
	// A boot cannot act on a map that is older than its own registration.
	if since, behind := d.behindSince(b.report.MapVersion); behind && b.last-max(since, n.since) > d.config.Suspicion {
		return Health{Suspected, fmt.Sprintf("behind the map for over %v", d.config.Suspicion)}
	}
	if b.report.Leaving {
		return Health{Leaving, "it ends in good order"}
	}
	return Health{Live, "heard from"}
}

// unheard judges a boot that did not speak since the periods began anew.
func (d *Detector) unheard(now time.Duration, n *node) Health {
	if now-max(d.anew, n.since) <= d.config.Suspicion {
		return Health{Unclear, "not heard from yet"}
	}
	if n.ever {
		return Health{Suspected, fmt.Sprintf("no heartbeat for over %v", d.config.Suspicion)}
	}
	if now-max(d.start, n.since) <= d.config.NeverHeard {
		return Health{Unclear, "not heard from yet"}
	}
	return Health{Suspected, fmt.Sprintf("never heard from in %v", d.config.NeverHeard)}
}

// complaints returns the primaries that are useless, with the reason: they do
// not serve a partition that they could serve and another could take over. While
// a replica is not live the primary may be waiting for that one's removal, and
// below min-in-sync it cannot serve: neither counts against it.
func (d *Detector) complaints(now time.Duration, m *partition.Map, health map[partition.NodeID]Health) map[partition.NodeID]string {
	useless := map[partition.NodeID]string{}
	current := map[partition.ID]complaint{}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if health[n.ID].State != Live {
			continue
		}
		for _, s := range d.boots[ProcessOf(n)].report.NotServing {
			c, placed := m.Partition(s.Partition)
			if !placed || c.Epoch != s.Epoch || c.Primary != n.ID || !couldServe(c, m.Settings.MinInSync, health) {
				continue
			}
			known, again := d.unserved[s.Partition]
			if !again || known.epoch != s.Epoch {
				known = complaint{epoch: s.Epoch, since: now}
			}
			current[s.Partition] = known
			if s.For > d.config.NotServing && now-known.since > d.config.NotServing {
				useless[n.ID] = fmt.Sprintf("does not serve %v for over %v", s.Partition, d.config.NotServing)
			}
		}
	}
	d.unserved = current
	return useless
}

// couldServe reports whether nothing outside the primary keeps the partition
// from being served, and another could do it.
func couldServe(c *partition.Configuration, minInSync int, health map[partition.NodeID]Health) bool {
	if len(c.Replicas) < max(2, minInSync) {
		return false
	}
	for _, r := range c.Replicas {
		if health[r.Node].State != Live {
			return false
		}
	}
	return true
}
