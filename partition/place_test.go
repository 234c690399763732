package partition

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// spread counts replicas and primaries of each node, and how many replicas of
// one partition share a zone at most.
func spread(nodes []Node, list []Configuration) (replicas, primaries map[NodeID]int, inZone int) {
	replicas, primaries = map[NodeID]int{}, map[NodeID]int{}
	zones := map[NodeID]string{}
	for _, n := range nodes {
		zones[n.ID] = n.Zone
		replicas[n.ID], primaries[n.ID] = 0, 0
	}
	for _, c := range list {
		primaries[c.Primary]++
		shared := map[string]int{}
		for _, r := range c.Replicas {
			replicas[r.Node]++
			shared[zones[r.Node]]++
			inZone = max(inZone, shared[zones[r.Node]])
		}
	}
	return replicas, primaries, inZone
}

func gap(counts map[NodeID]int) int {
	lowest, highest := 1<<30, 0
	for _, n := range counts {
		lowest, highest = min(lowest, n), max(highest, n)
	}
	return highest - lowest
}

func TestPlaceWithoutZones(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.IntRange(1, 5).Draw(t, "factor")
		nodes := nodesIn(make([]string, rapid.IntRange(factor, 20).Draw(t, "nodes"))...)
		s := settings(rapid.IntRange(1, 300).Draw(t, "partitions"), factor)
		list, err := Place(nodes, s, lineages())
		if err != nil {
			t.Fatal(err)
		}
		check(t, nodes, s, list)
		replicas, primaries, _ := spread(nodes, list)
		if gap(replicas) > 1 || gap(primaries) > 1 {
			t.Fatalf("uneven: replicas %v, primaries %v", replicas, primaries)
		}
	})
}

// check validates the map that the placement makes.
func check(t *rapid.T, nodes []Node, s Settings, list []Configuration) {
	m := &Map{Version: 1, ClusterID: "c", Settings: s, Nodes: nodes, Partitions: list}
	if err := m.Validate(); err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if c := &list[i]; c.Epoch != 1 || len(c.Replicas) != s.ReplicationFactor || c.Primary == "" {
			t.Fatalf("not a first configuration: %+v", c)
		}
	}
}

func TestPlaceInZones(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.IntRange(1, 4).Draw(t, "factor")
		count := rapid.IntRange(1, 6).Draw(t, "zones")
		var zones []string
		sizes := map[string]int{}
		for i := range rapid.IntRange(factor, 16).Draw(t, "nodes") {
			z := fmt.Sprint("z", rapid.IntRange(0, count-1).Draw(t, fmt.Sprint("zone of ", i)))
			zones = append(zones, z)
			sizes[z]++
		}
		nodes := nodesIn(zones...)
		s := settings(rapid.IntRange(1, 200).Draw(t, "partitions"), factor)
		list, err := Place(nodes, s, lineages())
		if err != nil {
			t.Fatal(err)
		}
		check(t, nodes, s, list)
		replicas, _, inZone := spread(nodes, list)
		limit := 1
		for room := len(sizes); room < factor; limit++ {
			for _, n := range sizes {
				if n > limit {
					room++
				}
			}
		}
		if inZone > limit {
			t.Fatalf("%d replicas of a partition in one zone; %d are enough", inZone, limit)
		}
		// Nodes of one zone are even, whatever the zones' sizes are.
		for z := range sizes {
			own := map[NodeID]int{}
			for _, n := range nodes {
				if n.Zone == z {
					own[n.ID] = replicas[n.ID]
				}
			}
			if gap(own) > 1 {
				t.Fatalf("uneven in zone %s: %v", z, own)
			}
		}
	})
}

func TestPlaceInEvenZones(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.IntRange(1, 3).Draw(t, "factor")
		count := rapid.IntRange(factor, 5).Draw(t, "zones")
		var zones []string
		for range rapid.IntRange(1, 4).Draw(t, "size") {
			for z := range count {
				zones = append(zones, fmt.Sprint("z", z))
			}
		}
		nodes := nodesIn(zones...)
		list, err := Place(nodes, settings(rapid.IntRange(1, 256).Draw(t, "partitions"), factor), lineages())
		if err != nil {
			t.Fatal(err)
		}
		replicas, primaries, inZone := spread(nodes, list)
		if gap(replicas) > 1 || gap(primaries) > 1 || inZone > 1 {
			t.Fatalf("replicas %v, primaries %v, %d in one zone", replicas, primaries, inZone)
		}
	})
}

func TestPlaceByWeight(t *testing.T) {
	t.Parallel()
	nodes := nodesIn("", "", "", "", "")
	nodes[4].Weight = 2
	list, err := Place(nodes, settings(600, 3), lineages())
	if err != nil {
		t.Fatal(err)
	}
	replicas, primaries, _ := spread(nodes, list)
	for _, n := range nodes {
		if want := 300 * int(n.Weight); replicas[n.ID] != want {
			t.Errorf("node %s of weight %d has %d replicas, want %d", n.ID, n.Weight, replicas[n.ID], want)
		}
		if want := 100 * int(n.Weight); primaries[n.ID] != want {
			t.Errorf("node %s of weight %d has %d primaries, want %d", n.ID, n.Weight, primaries[n.ID], want)
		}
	}
}

// A failed node's load must not fall on one other.
func TestPlaceSpreadsNeighbours(t *testing.T) {
	t.Parallel()
	nodes := nodesIn(make([]string, 10)...)
	list, err := Place(nodes, settings(256, 3), lineages())
	if err != nil {
		t.Fatal(err)
	}
	together := map[NodeID]int{}
	for _, c := range list {
		if c.InSync("n01") {
			for _, r := range c.Replicas {
				if r.Node != "n01" {
					together[r.Node]++
				}
			}
		}
	}
	if len(together) != 9 || gap(together) > 4 {
		t.Errorf("n01 shares its partitions with %v", together)
	}
}

func TestPlaceIsDeterministic(t *testing.T) {
	t.Parallel()
	nodes := nodesIn("a", "b", "c", "a", "b", "c", "a")
	first, err := Place(nodes, settings(64, 3), lineages())
	if err != nil {
		t.Fatal(err)
	}
	nodes[0], nodes[6] = nodes[6], nodes[0]
	second, err := Place(nodes, settings(64, 3), lineages())
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if !first[i].Equal(&second[i]) {
			t.Fatalf("%v: %+v, then %+v", first[i].ID, first[i], second[i])
		}
	}
}

func TestPlaceRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Place(nodesIn("", ""), settings(8, 3), lineages()); err == nil {
		t.Error("placed three replicas on two nodes")
	}
	if _, err := Place(nodesIn("", "", ""), Settings{}, lineages()); err == nil {
		t.Error("placed by empty settings")
	}
	draws := []uint32{0, 0, 9}
	list, err := Place(nodesIn(""), settings(1, 1), func() uint32 { v := draws[0]; draws = draws[1:]; return v })
	if err != nil || list[0].Lineage != 9 {
		t.Errorf("%v, %v: a lineage of zero must be drawn again", list, err)
	}
}

// The first placement of the largest cluster. Measured: 0.35 s.
func BenchmarkPlace(b *testing.B) {
	nodes := nodesIn(make([]string, 50)...)
	for b.Loop() {
		list, err := Place(nodes, settings(MaxPartitions, 3), lineages())
		if err != nil {
			b.Fatal(err)
		}
		if replicas, primaries, _ := spread(nodes, list); gap(replicas) > 1 || gap(primaries) > 1 {
			b.Fatalf("uneven: %v, %v", replicas, primaries)
		}
	}
}
