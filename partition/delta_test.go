package partition

import (
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"weak"

	"pgregory.net/rapid"
)

// later draws what a map may have become: other epochs, nodes gone, changed and
// new.
func later(t *rapid.T, m *Map) *Map {
	next := *m
	next.Version += rapid.Uint64Range(1, 5).Draw(t, "versions")
	next.Partitions = slices.Clone(m.Partitions)
	for i := range next.Partitions {
		if rapid.Bool().Draw(t, "changes") {
			c := &next.Partitions[i]
			c.Epoch++
			c.Learners, c.Replicas = c.Replicas[:1:1], c.Replicas[1:]
			c.Primary = ""
		}
	}
	next.Nodes = nil
	for _, n := range m.Nodes {
		switch rapid.IntRange(0, 3).Draw(t, "node") {
		case 0:
			continue
		case 1:
			n.Incarnation++
			n.Services = map[string]string{"kv": ":1"}
		}
		next.Nodes = append(next.Nodes, n)
	}
	if rapid.Bool().Draw(t, "joins") {
		next.Nodes = append(next.Nodes, Node{ID: "z", Store: 999, Incarnation: 1, Weight: 1})
	}
	return &next
}

func TestDeltaRoundTrip(t *testing.T) {
	t.Parallel()
	nodes := nodesIn("", "", "", "")
	first := placed(t, nodes, settings(12, 3))
	rapid.Check(t, func(t *rapid.T) {
		next := later(t, first)
		text, err := json.Marshal(DeltaOf(first, next))
		if err != nil {
			t.Fatal(err)
		}
		var d Delta
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatal(err)
		}
		before := *first
		got, err := first.Apply(d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := Compare(got, next); len(diff.Nodes)+len(diff.Partitions) > 0 || got.Version != next.Version {
			t.Fatalf("applied: %+v\nwant: %+v", got, next)
		}
		if !reflect.DeepEqual(before, *first) {
			t.Fatal("the old map was written to")
		}
	})
}

func TestDeltaFromNothing(t *testing.T) {
	t.Parallel()
	m := placed(t, nodesIn("", "", ""), settings(5, 3))
	got, err := (&Map{}).Apply(DeltaOf(&Map{}, m))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v, want %+v", got, m)
	}
}

func TestDeltaIsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	m := placed(t, nodesIn("", "", ""), settings(5, 3))
	next := *m
	next.Version++
	next.Partitions = slices.Clone(m.Partitions)
	next.Partitions[2].Epoch++
	d := DeltaOf(m, &next)
	if len(d.Partitions) != 1 || d.Partitions[0].ID != 2 || d.Cluster != nil || len(d.Nodes)+len(d.Left) > 0 {
		t.Errorf("delta is %+v", d)
	}
	got, err := m.Apply(d)
	if err != nil {
		t.Fatal(err)
	}
	if &got.Nodes[0] != &m.Nodes[0] {
		t.Error("unchanged nodes are not shared")
	}
}

func TestDeltaGap(t *testing.T) {
	t.Parallel()
	m := placed(t, nodesIn("", "", ""), settings(5, 3)) // at version 7
	for _, d := range []Delta{{Since: 6, Version: 8}, {Since: 8, Version: 9}, {Since: 7, Version: 6}, {Since: 7, Base: 1, Version: 8}} {
		if _, err := m.Apply(d); !errors.Is(err, ErrGap) {
			t.Errorf("apply %+v: %v", d, err)
		}
	}
	if _, err := m.Apply(Delta{Since: 7, Version: 8, Partitions: []Configuration{{ID: 5}}}); err == nil {
		t.Error("a partition beyond the last was taken")
	}
}

func TestCompareNodes(t *testing.T) {
	t.Parallel()
	old := &Map{Nodes: []Node{{ID: "a"}, {ID: "b"}, {ID: "d"}}}
	next := &Map{Nodes: []Node{{ID: "b", Store: 2}, {ID: "c"}, {ID: "d"}}}
	var got []string
	for _, c := range Compare(old, next).Nodes {
		switch {
		case c.Old == nil:
			got = append(got, "+"+string(c.New.ID))
		case c.New == nil:
			got = append(got, "-"+string(c.Old.ID))
		default:
			got = append(got, "~"+string(c.New.ID))
		}
	}
	if !slices.Equal(got, []string{"-a", "~b", "+c"}) {
		t.Errorf("differences %v", got)
	}
}

// A delta may be kept for followers that come back: it keeps no map in memory.
func TestADeltaKeepsNoMapInMemory(t *testing.T) {
	t.Parallel()
	d, whole := func() (Delta, weak.Pointer[Map]) {
		old := &Map{Version: 1, ClusterID: "c"}
		next := &Map{Version: 2, ClusterID: "c", Rebalance: Rebalance{Paused: true}, Partitions: make([]Configuration, 64)}
		return DeltaOf(old, next), weak.Make(next)
	}()
	for range 20 {
		if runtime.GC(); whole.Value() == nil {
			break
		}
	}
	if whole.Value() != nil {
		t.Error("the map that the delta leads to is in memory")
	}
	if d.Rebalance == nil || !d.Rebalance.Paused {
		t.Errorf("%+v", d)
	}
}
