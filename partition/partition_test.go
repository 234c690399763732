package partition

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

// lineages draws the same lineages every time.
func lineages() func() uint32 { return rand.New(rand.NewPCG(1, 2)).Uint32 }

// nodesIn returns one node for each zone named: n1, n2, ...
func nodesIn(zones ...string) []Node {
	nodes := make([]Node, len(zones))
	for i, z := range zones {
		nodes[i] = Node{ID: NodeID(fmt.Sprintf("n%02d", i+1)), Store: StoreID(100 + i), Incarnation: 1, Zone: z, Weight: 1}
	}
	return nodes
}

func settings(partitions, factor int) Settings {
	return Settings{Partitions: partitions, ReplicationFactor: factor, MinInSync: factor/2 + 1, ExpectNodes: factor}
}

// placed returns a valid map.
func placed(t *testing.T, nodes []Node, s Settings) *Map {
	t.Helper()
	c, err := Place(nodes, s, lineages())
	if err != nil {
		t.Fatal(err)
	}
	m := &Map{Version: 7, ClusterID: "c", Application: "holdfast", Settings: s, Nodes: nodes, Partitions: c}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOf(t *testing.T) {
	t.Parallel()
	same := func(a, b string) {
		t.Helper()
		if x, y := Of([]byte(a), 1<<16), Of([]byte(b), 1<<16); x != y {
			t.Errorf("%q is in %v, %q in %v", a, x, b, y)
		}
	}
	same("{user1}.name", "{user1}.mail")
	same("{user1}.name", "user1")
	same("a{user1}b{user2}", "user1")
	same("foo{{bar}}zap", "{bar") // as in Redis Cluster: the first '}' ends the tag
	differ := func(a, b string) {
		t.Helper()
		if x, y := Of([]byte(a), 1<<16), Of([]byte(b), 1<<16); x == y {
			t.Errorf("%q and %q are both in %v", a, b, x)
		}
	}
	differ("foo{}{bar}", "bar") // an empty tag is none
	differ("foo{bar", "bar")
	differ("a", "b")
	// xxhash64 of nothing is ef46db3751d8e999: keys must stay where they are.
	if got := Of(nil, 1<<16); got != 0xe999 {
		t.Errorf("the empty key is in %v", got)
	}
}

func TestParseID(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"5", "partition-5"} {
		if id, err := ParseID(ok); err != nil || id != 5 {
			t.Errorf("ParseID(%q) = %v, %v", ok, id, err)
		}
	}
	for _, bad := range []string{"", "partition-", "-5", "+5", "05", "partition-5 ", "partition-partition-5", "4294967296", "x"} {
		if id, err := ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) = %v", bad, id)
		}
	}
}

func TestLookups(t *testing.T) {
	t.Parallel()
	empty := &Map{}
	if empty.Placed() {
		t.Error("an empty map is placed")
	}
	if _, ok := empty.Partition(0); ok {
		t.Error("an empty map has a partition")
	}
	m := placed(t, nodesIn("", "", ""), settings(4, 3))
	if n, ok := m.Node("n02"); !ok || n.Store != 101 {
		t.Errorf("Node(n02) = %v, %v", n, ok)
	}
	if _, ok := m.Node("n04"); ok {
		t.Error("found a node that is not there")
	}
	if c, ok := m.Partition(3); !ok || c.ID != 3 {
		t.Errorf("Partition(3) = %v, %v", c, ok)
	}
	if _, ok := m.Partition(4); ok {
		t.Error("found a partition beyond the last")
	}
	sum := 0
	for _, n := range m.Primaries() {
		sum += n
	}
	if sum != 4 {
		t.Errorf("%d primaries for 4 partitions", sum)
	}
}

func TestStoreIDText(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(Replica{Node: "n1", Store: 0xabc})
	if err != nil || string(b) != `{"node":"n1","store_id":"0000000000000abc"}` {
		t.Fatalf("%s, %v", b, err)
	}
	var r Replica
	if err := json.Unmarshal(b, &r); err != nil || r.Store != 0xabc {
		t.Fatalf("%v, %v", r, err)
	}
	if err := json.Unmarshal([]byte(`{"store_id":"abc"}`), &r); err == nil {
		t.Error("a short store ID was taken")
	}
}
