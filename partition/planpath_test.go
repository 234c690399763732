package partition

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A chain is found one label at a time, and a later label may take the replica that
// an earlier one counts on. Then the chain stops: what it did so far is a plan too.
func TestAChainEndsWhereItsReplicaIsGone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const nodes = 4
		var list []Node
		for n := range nodes {
			list = append(list, Node{ID: NodeID('a' + rune(n)), Duty: Full, Store: StoreID(n + 1), Weight: 1})
		}
		m := settled(t, list, Settings{Partitions: 4, ReplicationFactor: 2, MinInSync: 1, ExpectNodes: nodes})
		p := newPlan(m, PlanOptions{})
		s := &search{p: p, labels: make([]label, nodes)}
		for n := range nodes {
			h := hop{id: ID(rapid.IntRange(0, 3).Draw(t, "partition")), from: rapid.IntRange(-1, nodes-1).Draw(t, "from"), to: n}
			s.labels[n] = label{by: h, reached: true}
		}
		s.follow(rapid.IntRange(0, nodes-1).Draw(t, "end"))
		for id, set := range p.set {
			slices.Sort(set)
			if len(slices.Compact(slices.Clone(set))) != len(set) || len(set) < 2 {
				t.Fatalf("partition %d is on %v", id, set)
			}
			for n, on := range p.on {
				if slices.Contains(on, ID(id)) != slices.Contains(set, n) {
					t.Fatalf("partition %d is on %v, and node %d has %v", id, set, n, on)
				}
			}
		}
	})
}
