package coordinator

import (
	"slices"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// corrupt are the partitions of which a node said last that its copy does not hold
// what it should.
func (c *Coordinator) corrupt(n *partition.Node) []partition.ID {
	c.liveness.Lock()
	defer c.liveness.Unlock()
	report, _ := c.liveness.detector.Report(liveness.ProcessOf(n))
	return corruptIn(&report)
}

func corruptIn(r *protocol.Report) []partition.ID {
	var out []partition.ID
	for _, one := range r.Corrupt {
		out = append(out, one.Partition)
	}
	return out
}

// corruptReplicas counts the corrupt copies of all nodes of the map.
func (c *Coordinator) corruptReplicas() (count int) {
	m := c.fsm.Map()
	for i := range m.Nodes {
		count += len(c.corrupt(&m.Nodes[i]))
	}
	return count
}

// logCorrupt logs what a node says anew of its copies, where this coordinator
// leads.
func (c *Coordinator) logCorrupt(node string, before, now *protocol.Report) {
	if !c.leading.Load() || slices.Equal(before.Corrupt, now.Corrupt) {
		return
	}
	if len(now.Corrupt) == 0 {
		c.log.Info("node has no corrupt replica any more", "node", node)
		return
	}
	c.log.Error("node has corrupt replicas; each is made anew once enough others are in sync", "node", node, "partitions", corruptIn(now))
}
