package partition

import (
	"slices"
	"strings"
	"testing"
)

func TestValidateFindsEveryFault(t *testing.T) {
	t.Parallel()
	// n01, n02 and n03 hold partition 0 of a map with min-in-sync 2.
	r := func(n int) Replica { return Replica{Node: NodeID("n0" + string(rune('0'+n))), Store: StoreID(99 + n)} }
	for _, test := range []struct {
		name  string
		spoil func(m *Map, c *Configuration)
		want  string // "" where that is valid
	}{
		{"as placed", func(*Map, *Configuration) {}, ""},
		{"waits for a primary", func(_ *Map, c *Configuration) { c.Primary = "" }, ""},
		{"lost its last copy", func(_ *Map, c *Configuration) {
			c.Primary, c.Replicas, c.Unavailable = "", nil, []Replica{{"n01", 5}}
			c.Learners = []Replica{r(1), r(2), r(3)}
			c.Eligible = []Replica{r(2)}
		}, ""},
		{"below min-in-sync", func(_ *Map, c *Configuration) {
			c.Primary, c.Replicas, c.Learners, c.Eligible = "n01", []Replica{r(1)}, []Replica{r(2), r(3)}, []Replica{r(3)}
		}, ""},
		{"primary is a stranger", func(_ *Map, c *Configuration) { c.Primary = "n09" }, "is not in sync"},
		{"primary is a learner", func(_ *Map, c *Configuration) {
			c.Primary, c.Replicas, c.Learners = "n03", []Replica{r(1), r(2)}, []Replica{r(3)}
		}, "is not in sync"},
		{"in sync and learner", func(_ *Map, c *Configuration) { c.Learners = []Replica{r(2)} }, "learner \"n02\" is in sync"},
		{"not sorted", func(_ *Map, c *Configuration) { slices.Reverse(c.Replicas) }, "not sorted"},
		{"twice", func(_ *Map, c *Configuration) { c.Learners = []Replica{r(4), r(4)} }, "not sorted"},
		{"another store", func(_ *Map, c *Configuration) { c.Replicas[0].Store++ }, "does not know"},
		{"unknown node", func(_ *Map, c *Configuration) { c.Learners = []Replica{{"n09", 9}} }, "does not know"},
		{"no store", func(_ *Map, c *Configuration) {
			c.Unavailable = []Replica{{Node: "n01"}}
			c.Replicas = nil
			c.Primary = ""
		}, "without a store"},
		{"eligible is no learner", func(_ *Map, c *Configuration) {
			c.Primary, c.Replicas, c.Eligible = "n01", []Replica{r(1)}, []Replica{r(2)}
		}, "is no learner"},
		{"eligible at min-in-sync", func(_ *Map, c *Configuration) {
			c.Primary, c.Replicas, c.Learners, c.Eligible = "n01", []Replica{r(1), r(2)}, []Replica{r(3)}, []Replica{r(3)}
		}, "no fewer than min-in-sync"},
		{"unavailable beside in sync", func(_ *Map, c *Configuration) { c.Unavailable = []Replica{{"n04", 5}} }, "unavailable replicas beside"},
		{"epoch zero", func(_ *Map, c *Configuration) { c.Epoch = 0 }, "must be set"},
		{"lineage zero", func(_ *Map, c *Configuration) { c.Lineage = 0 }, "must be set"},
		{"in another's place", func(_ *Map, c *Configuration) { c.ID = 1 }, "stands at index"},
		{"too few partitions", func(m *Map, _ *Configuration) { m.Partitions = m.Partitions[:1] }, "its settings say 2"},
		{"nodes not sorted", func(m *Map, _ *Configuration) { slices.Reverse(m.Nodes) }, "does not come after"},
		{"nodes share a store", func(m *Map, _ *Configuration) { m.Nodes[3].Store = 100 }, "have the same store"},
		{"node without incarnation", func(m *Map, _ *Configuration) { m.Nodes[3].Incarnation = 0 }, "must all be set"},
		{"settings", func(m *Map, _ *Configuration) { m.Settings.MinInSync = 4 }, "min-in-sync 4"},
		{"no cluster", func(m *Map, _ *Configuration) { m.ClusterID = "" }, "is not empty"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := placed(t, nodesIn("", "", "", ""), settings(2, 3))
			c := &m.Partitions[0]
			c.Primary, c.Replicas = "n01", []Replica{r(1), r(2), r(3)}
			test.spoil(m, c)
			err := m.Validate()
			switch {
			case test.want == "" && err != nil:
				t.Errorf("valid map: %v", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestValidateReportsAllAtOnce(t *testing.T) {
	t.Parallel()
	m := placed(t, nodesIn("", "", ""), settings(2, 3))
	m.Partitions[0].Epoch, m.Partitions[1].Primary = 0, "n09"
	err := m.Validate()
	if err == nil || !strings.Contains(err.Error(), "partition-0") || !strings.Contains(err.Error(), "partition-1") {
		t.Errorf("got %v", err)
	}
	if err := (Settings{Partitions: -1, ReplicationFactor: 3, MinInSync: 9, ExpectNodes: 1}).Validate(); err == nil ||
		strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three faults", err)
	}
	if err := (&Map{}).Validate(); err != nil {
		t.Errorf("empty map: %v", err)
	}
}
