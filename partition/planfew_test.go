package partition

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// on places partition id on the nodes, the first of which is its primary.
func on(m *Map, id ID, nodes ...NodeID) {
	c := &m.Partitions[id]
	c.Primary, c.Replicas = nodes[0], nil
	for _, name := range nodes {
		n, _ := m.Node(name)
		c.Replicas = append(c.Replicas, Replica{Node: name, Store: n.Store})
	}
	slices.SortFunc(c.Replicas, compareReplicas)
}

// Where the replicas do not divide evenly, any nodes may have one more: a plan
// does not move it to another.
func TestAnEvenMapIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	m := placed(t, nodesIn("", "", "", ""), settings(3, 2))
	on(m, 0, "n03", "n04")
	on(m, 1, "n01", "n03")
	on(m, 2, "n02", "n04")
	if moves := Plan(m, PlanOptions{}); len(moves) > 0 {
		t.Errorf("the last nodes have the replicas that do not divide: %v", moves)
	}
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.IntRange(1, 3).Draw(t, "factor")
		nodes := nodesIn(make([]string, rapid.IntRange(factor, 7).Draw(t, "nodes"))...)
		m := settled(t, nodes, settings(rapid.IntRange(1, 30).Draw(t, "partitions"), factor))
		names := rapid.Permutation(m.Nodes).Draw(t, "names")
		renamed := settled(t, nodes, m.Settings)
		for id := range m.Partitions {
			c := &m.Partitions[id]
			list := []NodeID{names[slices.IndexFunc(nodes, func(n Node) bool { return n.ID == c.Primary })].ID}
			for _, r := range c.Replicas {
				if r.Node != c.Primary {
					list = append(list, names[slices.IndexFunc(nodes, func(n Node) bool { return n.ID == r.Node })].ID)
				}
			}
			on(renamed, ID(id), list...)
		}
		if moves := Plan(renamed, PlanOptions{}); len(moves) > 0 {
			t.Fatalf("an even map under other names: %v", moves)
		}
	})
}

// A partition that waits for an operator, or that moves already, is left alone,
// also where its node is to give everything away.
func TestAPartitionThatWaitsIsNotMoved(t *testing.T) {
	t.Parallel()
	for name, wait := range map[string]func(m *Map, c *Configuration){
		"without a primary": func(_ *Map, c *Configuration) { c.Primary = "" },
		"without a replica": func(_ *Map, c *Configuration) {
			c.Learners, c.Unavailable = c.Replicas, slices.Clone(c.Replicas[:1])
			c.Primary, c.Replicas = "", nil
		},
		"moving": func(m *Map, c *Configuration) {
			m.Moves = []Move{{Partition: c.ID, From: "n02", To: "n04", Since: 1}}
		},
	} {
		m := placed(t, nodesIn("", "", "", ""), settings(4, 3))
		for id := range m.Partitions {
			on(m, ID(id), "n01", "n02", "n03")
		}
		m.Nodes[0].Duty = Draining
		wait(m, &m.Partitions[2])
		moves := Plan(m, PlanOptions{})
		if len(moves) == 0 {
			t.Errorf("%s: nothing leaves the draining node", name)
		}
		for _, v := range moves {
			if v.Partition == 2 {
				t.Errorf("%s: %v is planned", name, v)
			}
		}
	}
}

// A partition with too many replicas loses one that is not in sync, and a
// partition that moves keeps its primary where another replica may go.
func TestAPlanTakesAwayWhatIsMissedLeast(t *testing.T) {
	t.Parallel()
	m := placed(t, nodesIn("", "", "", ""), settings(1, 3))
	for _, learner := range []NodeID{"n01", "n02", "n03", "n04"} {
		var inSync []NodeID
		for i := range m.Nodes {
			if m.Nodes[i].ID != learner {
				inSync = append(inSync, m.Nodes[i].ID)
			}
		}
		on(m, 0, inSync...)
		n, _ := m.Node(learner)
		m.Partitions[0].Learners = []Replica{{Node: learner, Store: n.Store}}
		if moves := Plan(m, PlanOptions{}); len(moves) != 1 || moves[0].From != learner || moves[0].To != "" {
			t.Errorf("%s learns, three are in sync, three are wanted: %v", learner, moves)
		}
	}

	m = placed(t, nodesIn("", "", "", ""), settings(12, 3))
	primaries := []NodeID{"n01", "n02", "n03"}
	for id := range m.Partitions { // each node is primary of the first that a search would find
		p := primaries[id*3/12]
		on(m, ID(id), append([]NodeID{p}, slices.DeleteFunc(slices.Clone(primaries), func(n NodeID) bool { return n == p })...)...)
	}
	moves := Plan(m, PlanOptions{})
	if len(moves) != 9 {
		t.Fatalf("a node with nothing gets %d of 36 replicas: %v", len(moves), moves)
	}
	for _, v := range moves {
		if m.Partitions[v.Partition].Primary == v.From {
			t.Errorf("%v takes the primary away; others of the node would do", v)
		}
	}
}
