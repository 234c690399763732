package partition

import (
	"fmt"
	"slices"
)

// Place computes the first placement: every partition at epoch 1 with a lineage
// of its own, as many replicas as the replication factor, and one of them
// primary. No two replicas of a partition are on one node, nor in one zone
// where there are enough zones (where there are too few, zones share a
// partition as evenly as can be). Within that, replicas and primaries are in
// proportion to the nodes' weights: even to within one between nodes of equal
// weight. Nodes without a zone are one zone together.
//
// Lineage draws the lineages; zeros are drawn again. The same nodes and draws
// give the same placement.
func Place(nodes []Node, s Settings, lineage func() uint32) ([]Configuration, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("place partitions: %w", err)
	}
	if len(nodes) < s.ReplicationFactor {
		return nil, fmt.Errorf("place partitions: %d nodes are too few for replication factor %d", len(nodes), s.ReplicationFactor)
	}
	p := newPlacer(nodes, s)
	p.setQuotas()
	sets := make([][]int, s.Partitions)
	for i := range sets {
		sets[i] = p.pick(s.Partitions - i)
	}
	primaries := choosePrimaries(sets, p.weights, nil)
	out := make([]Configuration, s.Partitions)
	for i, set := range sets {
		c := Configuration{ID: ID(i), Epoch: 1, Primary: p.nodes[primaries[i]].ID}
		for c.Lineage == 0 {
			c.Lineage = lineage()
		}
		for _, n := range set {
			c.Replicas = append(c.Replicas, Replica{Node: p.nodes[n].ID, Store: p.nodes[n].Store})
		}
		slices.SortFunc(c.Replicas, compareReplicas)
		out[i] = c
	}
	return out, nil
}
