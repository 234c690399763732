package liveness

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// maxAsked is how often one leader proposes a node's confirmation: a proposal
// may get lost, and nothing tells the detector that it was taken.
const maxAsked = 3

// confirm proposes the nodes that have their copies of the first placement on
// disk: they have acted on it for long enough, and every partition that they
// are in sync in is served, which takes a marker on the disks of all in sync.
func (d *Detector) confirm(now time.Duration, m *partition.Map, health map[partition.NodeID]Health) []state.Command {
	var ready []partition.Replica
	for i := range m.Nodes {
		n, b := d.nodes[m.Nodes[i].ID], d.boots[ProcessOf(&m.Nodes[i])]
		if b == nil || !b.acts || health[m.Nodes[i].ID].State != Live || n.asked == maxAsked {
			continue
		}
		if now-b.acted > d.config.Confirm && now >= n.askAgain {
			ready = append(ready, partition.Replica{Node: m.Nodes[i].ID, Store: m.Nodes[i].Store})
		}
	}
	if len(ready) > 0 {
		waiting := d.waiting(m, health)
		ready = slices.DeleteFunc(ready, func(r partition.Replica) bool { return waiting[r.Node] })
	}
	if len(ready) == 0 {
		return nil
	}
	for _, r := range ready {
		n := d.nodes[r.Node]
		n.asked, n.askAgain = n.asked+1, now+2*d.config.Confirm
	}
	return []state.Command{state.Confirm{Nodes: ready}}
}

// waiting are the nodes in sync in a partition that nobody is known to serve.
func (d *Detector) waiting(m *partition.Map, health map[partition.NodeID]Health) map[partition.NodeID]bool {
	unserved := map[partition.ID]bool{}
	for i := range m.Nodes {
		if b := d.boots[ProcessOf(&m.Nodes[i])]; b != nil {
			for _, s := range b.report.NotServing {
				unserved[s.Partition] = true
			}
		}
	}
	nodes := map[partition.NodeID]bool{}
	for i := range m.Partitions {
		c := &m.Partitions[i]
		if health[c.Primary].State != Live || unserved[c.ID] {
			for _, r := range c.Replicas {
				nodes[r.Node] = true
			}
		}
	}
	return nodes
}
