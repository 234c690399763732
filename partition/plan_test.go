package partition

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// settled is a map whose partitions were placed for the first time.
func settled(t rapid.TB, nodes []Node, s Settings) *Map {
	t.Helper()
	list, err := Place(nodes, s, lineages())
	if err != nil {
		t.Fatal(err)
	}
	return &Map{Version: 1, ClusterID: "c", Application: "a", Settings: s, Nodes: nodes, Partitions: list}
}

// carryOut makes moves as the coordinators do: grow, then shrink; a primary that
// leaves hands over to who comes in its place. It fails where a step breaks what
// must always hold.
func carryOut(t rapid.TB, m *Map, moves []Move) *Map {
	t.Helper()
	next := *m
	next.Partitions = slices.Clone(m.Partitions)
	for _, v := range moves {
		c := &next.Partitions[v.Partition]
		if v.Primary != "" {
			if !c.InSync(v.Primary) {
				t.Fatalf("%v: it is not in sync", v)
			}
			c.Primary = v.Primary
			continue
		}
		if v.To != "" {
			n, known := next.Node(v.To)
			if !known || n.Duty != Full || c.Lists(v.To) {
				t.Fatalf("%v: the node cannot take it: %+v", v, c)
			}
			c.Replicas = append(slices.Clone(c.Replicas), Replica{Node: v.To, Store: n.Store})
			slices.SortFunc(c.Replicas, compareReplicas)
		}
		if v.From != "" {
			if !c.Lists(v.From) {
				t.Fatalf("%v: it has none", v)
			}
			isFrom := func(r Replica) bool { return r.Node == v.From }
			c.Replicas = slices.DeleteFunc(slices.Clone(c.Replicas), isFrom)
			c.Learners = slices.DeleteFunc(slices.Clone(c.Learners), isFrom)
			if c.Primary == v.From {
				c.Primary = c.Replicas[0].Node
				if v.To != "" {
					c.Primary = v.To
				}
			}
		}
		if len(c.Replicas) == 0 {
			t.Fatalf("%v: nothing is left", v)
		}
	}
	if err := next.Validate(); err != nil {
		t.Fatal(err)
	}
	return &next
}

// carryOutAll plans and carries out until nothing is left to do, and counts the
// moves of replicas.
func carryOutAll(t rapid.TB, m *Map) (*Map, int) {
	t.Helper()
	replicas := 0
	for rounds := 0; ; rounds++ {
		moves := Plan(m, PlanOptions{})
		if len(moves) == 0 {
			return m, replicas
		}
		for _, v := range moves {
			if v.Reason == "" {
				t.Fatalf("%v: why?", v)
			}
			if v.To != "" {
				replicas++
			}
		}
		if rounds == 3 {
			t.Fatalf("still there is something to do: %v", moves)
		}
		m = carryOut(t, m, moves)
	}
}

// even fails where the map is not as a plan should leave it.
func even(t rapid.TB, m *Map) {
	t.Helper()
	p := newPlan(m, PlanOptions{})
	for i := range m.Partitions {
		c := &m.Partitions[i]
		if len(c.Replicas) != p.factor || len(c.Learners) > 0 {
			t.Errorf("%v has replicas %v and learners %v, want %d", c.ID, c.Replicas, c.Learners, p.factor)
		}
		for _, r := range c.Replicas {
			n, ok := p.number[r.Node]
			if !ok {
				t.Errorf("%v is on %s, which should have nothing", c.ID, r.Node)
				continue
			}
			if got := p.inZone(c.ID, p.zone[n]); got > p.zoneLimit {
				t.Errorf("%v has %d replicas in zone %q", c.ID, got, p.nodes[n].Zone)
			}
		}
	}
	primaries := m.Primaries()
	for a := range p.nodes {
		if p.have[a] != p.quota[a] {
			t.Errorf("%s has %d replicas, its share is %d", p.nodes[a].ID, p.have[a], p.quota[a])
		}
		for b := range p.nodes {
			if p.zone[a] == p.zone[b] && p.weights[a] == p.weights[b] && p.have[a] > p.have[b]+1 {
				t.Errorf("%s has %d replicas, %s has %d", p.nodes[a].ID, p.have[a], p.nodes[b].ID, p.have[b])
			}
			if p.zoneLimit == p.factor && p.weights[a] == p.weights[b] && primaries[p.nodes[a].ID] > primaries[p.nodes[b].ID]+1 {
				t.Errorf("%s has %d primaries, %s has %d", p.nodes[a].ID, primaries[p.nodes[a].ID], p.nodes[b].ID, primaries[p.nodes[b].ID])
			}
		}
	}
}

// shaken changes a placed map as a cluster's life does: nodes join, are drained,
// removed or replaced, copies are lost and learn again.
func shaken(t *rapid.T, m *Map, zones int) *Map {
	next := *m
	next.Nodes, next.Partitions = slices.Clone(m.Nodes), slices.Clone(m.Partitions)
	for i := range rapid.IntRange(0, 3).Draw(t, "joins") {
		n := Node{
			ID: NodeID(fmt.Sprintf("new%d", i)), Store: StoreID(1000 + i), Incarnation: 1,
			Weight: 1, Zone: fmt.Sprintf("z%d", rapid.IntRange(0, zones-1).Draw(t, "zone")),
		}
		next.Nodes = append(next.Nodes, n)
	}
	slices.SortFunc(next.Nodes, func(a, b Node) int { return compareReplicas(Replica{Node: a.ID}, Replica{Node: b.ID}) })
	left := len(next.Nodes)
	for range rapid.IntRange(0, 3).Draw(t, "goes") {
		n := &next.Nodes[rapid.IntRange(0, len(next.Nodes)-1).Draw(t, "node")]
		if n.Duty == Full && left > m.Settings.ReplicationFactor {
			n.Duty = Duty(rapid.IntRange(1, 3).Draw(t, "duty"))
			left--
		}
	}
	for i := range next.Partitions {
		c := &next.Partitions[i]
		for _, r := range c.Replicas {
			n, _ := next.Node(r.Node)
			// A node that was away is in sync nowhere, as a rule.
			lost := rapid.IntRange(0, 9).Draw(t, "lost")
			if len(c.Replicas) == 1 || n.Duty != Replaced && lost > 0 {
				continue
			}
			c.Replicas = slices.DeleteFunc(slices.Clone(c.Replicas), func(o Replica) bool { return o == r })
			if lost != 1 {
				c.Learners = append(slices.Clone(c.Learners), r)
				slices.SortFunc(c.Learners, compareReplicas)
			}
			if c.Primary == r.Node {
				c.Primary = c.Replicas[0].Node
			}
		}
	}
	return &next
}

// caughtUp brings all learners of nodes with full duty in sync.
func caughtUp(m *Map) *Map {
	next := *m
	next.Partitions = slices.Clone(m.Partitions)
	for i := range next.Partitions {
		c := &next.Partitions[i]
		var left []Replica
		c.Replicas = slices.Clone(c.Replicas)
		for _, r := range c.Learners {
			if n, _ := next.Node(r.Node); n.Duty == Full {
				c.Replicas = append(c.Replicas, r)
			} else {
				left = append(left, r)
			}
		}
		c.Learners = left
		slices.SortFunc(c.Replicas, compareReplicas)
	}
	return &next
}

func TestPlanEndsEvenFromAnyMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.IntRange(1, 4).Draw(t, "factor")
		zones := rapid.IntRange(1, 4).Draw(t, "zones")
		names := make([]string, rapid.IntRange(factor, 9).Draw(t, "nodes"))
		for i := range names {
			names[i] = fmt.Sprintf("z%d", i%zones)
		}
		nodes := nodesIn(names...)
		if rapid.Bool().Draw(t, "weighted") {
			for i := range nodes {
				nodes[i].Weight = uint32(rapid.IntRange(1, 3).Draw(t, "weight"))
			}
		}
		s := settings(rapid.IntRange(1, 60).Draw(t, "partitions"), factor)
		m := caughtUp(shaken(t, settled(t, nodes, s), zones))
		end, made := carryOutAll(t, m)
		if exact := exactMoves(m); made > exact+1 {
			t.Errorf("%d moves, %d would do", made, exact)
		}
		even(t, end)
	})
}
