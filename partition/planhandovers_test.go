package partition

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Hand-overs are planned once nothing is about to undo them.
func TestPrimariesArePlannedLast(t *testing.T) {
	t.Parallel()
	uneven := func() *Map {
		m := placed(t, nodesIn("", "", ""), settings(6, 3))
		for id := range m.Partitions {
			on(m, ID(id), "n01", "n02", "n03")
		}
		return m
	}
	if moves := Plan(uneven(), PlanOptions{}); len(moves) != 4 {
		t.Errorf("one node is primary of all six: %v", moves)
	}
	for name, plan := range map[string]func(m *Map) []Move{
		"a replica moves": func(m *Map) []Move {
			m.Moves = []Move{{Partition: 0, From: "n03", To: "n03", Since: 1}}
			return Plan(m, PlanOptions{})
		},
		"a replica learns": func(m *Map) []Move {
			c := &m.Partitions[5]
			c.Replicas, c.Learners = c.Replicas[:2:2], c.Replicas[2:]
			return Plan(m, PlanOptions{})
		},
		"a node is away": func(m *Map) []Move {
			return Plan(m, PlanOptions{Live: func(n NodeID) bool { return n != "n02" }})
		},
	} {
		if moves := plan(uneven()); len(moves) > 0 {
			t.Errorf("%s: %v", name, moves)
		}
	}
}

// A plan may be carried out in part only: its first hand-overs leave the primaries
// no less even than they were, and the whole leaves nothing to do.
func TestEachHandOverMakesThePrimariesMoreEven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := nodesIn(make([]string, rapid.IntRange(2, 6).Draw(t, "nodes"))...)
		m := settled(t, nodes, settings(rapid.IntRange(1, 24).Draw(t, "partitions"), min(len(nodes), rapid.IntRange(2, 4).Draw(t, "factor"))))
		for id := range m.Partitions {
			c := &m.Partitions[id]
			c.Primary = c.Replicas[rapid.IntRange(0, len(c.Replicas)-1).Draw(t, "primary")].Node
		}
		moves, before := Plan(m, PlanOptions{}), gapOf(m)
		for n := range len(moves) + 1 {
			next := carryOut(t, m, moves[:n])
			if after := gapOf(next); after > before {
				t.Fatalf("after %d of %v the primaries are %d apart, they were %d", n, moves, after, before)
			} else {
				before = after
			}
			if left := Plan(next, PlanOptions{}); n == len(moves) && len(left) > 0 {
				t.Fatalf("after all of %v: %v", moves, left)
			}
		}
	})
}

// gapOf is by how many primaries the nodes differ.
func gapOf(m *Map) int {
	var counts []int
	primaries := m.Primaries()
	for i := range m.Nodes {
		counts = append(counts, primaries[m.Nodes[i].ID])
	}
	return slices.Max(counts) - slices.Min(counts)
}
