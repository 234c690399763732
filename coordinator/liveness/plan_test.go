package liveness

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		nodes      int
		partitions []string
		corrupt    func(w *watch) // what heartbeats say of copies, from the beginning
		prepare    func(w *watch)
		silent     []partition.NodeID
		want       []string // nothing: no command at all
	}{
		{
			name: "a primary", nodes: 3, partitions: []string{"n1 n2 n3"},
			silent: []partition.NodeID{"n1"}, want: []string{"fail n1: 0 n2 [n2 n3]"},
		},
		{
			name: "a secondary", nodes: 3, partitions: []string{"n1 n2 n3"},
			silent: []partition.NodeID{"n2"}, want: []string{"fail n2: 0 n1 [n1 n3]"},
		},
		{
			name: "one entry for all partitions, fewest primaries first, own choices counted", nodes: 4,
			partitions: []string{"n1 n2 n3", "n1 n2 n3", "n1 n2 n3", "n2 n1 n4", "n4 n2 n3"},
			silent:     []partition.NodeID{"n1"},
			want:       []string{"fail n1: 0 n3 [n2 n3], 1 n2 [n2 n3], 2 n3 [n2 n3], 3 n2 [n2 n4]"},
		},
		{
			name: "min-in-sync does not stop it", nodes: 3, partitions: []string{"n1 n2 n3"},
			silent: []partition.NodeID{"n2", "n3"}, want: []string{"fail n2: 0 n1 [n1]"},
		},
		{
			name: "primary and secondary: one change, the primary's", nodes: 3, partitions: []string{"n3 n1 n2"},
			silent: []partition.NodeID{"n1", "n3"}, want: []string{"fail n3: 0 n2 [n2]"},
		},
		{
			name: "each node's failure is a command", nodes: 4, partitions: []string{"n1 n3", "n2 n4", "n3 n4"},
			silent: []partition.NodeID{"n1", "n2"}, want: []string{"fail n1: 0 n3 [n3]", "fail n2: 1 n4 [n4]"},
		},
		{
			name: "nobody is left", nodes: 3, partitions: []string{"n1 n2 n3"},
			silent: []partition.NodeID{"n1", "n2", "n3"},
		},
		{
			name: "the last in sync stays", nodes: 3, partitions: []string{"n1 n2 n3"},
			prepare: func(w *watch) { w.set(0, "n1", "n1") }, silent: []partition.NodeID{"n1"},
		},
		{
			name: "a learner: nothing to do", nodes: 3, partitions: []string{"n1 n2 n3"},
			prepare: func(w *watch) { w.set(0, "n1", "n1", "n2") }, silent: []partition.NodeID{"n3"},
		},
		{
			name: "an eligible learner is not promoted", nodes: 3, partitions: []string{"n1 n2 n3"},
			prepare: func(w *watch) { w.set(0, "n1", "n1") }, silent: []partition.NodeID{"n1", "n2"},
		},
		{
			name: "not one whose copy is void", nodes: 3, partitions: []string{"n1 n2 n3", "n2 n1 n3"},
			corrupt: func(w *watch) { w.corrupt("n3", Corrupt{Partition: 0, Void: true}) },
			silent:  []partition.NodeID{"n1"}, want: []string{"fail n1: 0 n2 [n2 n3], 1 n2 [n2 n3]"},
		},
		{
			name: "nobody, where all copies left are void", nodes: 3, partitions: []string{"n1 n2 n3"},
			corrupt: func(w *watch) {
				w.corrupt("n2", Corrupt{Partition: 0, Void: true})
				w.corrupt("n3", Corrupt{Partition: 0, Void: true})
			},
			silent: []partition.NodeID{"n1"},
		},
		{
			name: "one whose copy is corrupt, where there is no other", nodes: 3, partitions: []string{"n1 n2 n3"},
			corrupt: func(w *watch) {
				w.corrupt("n2", Corrupt{Partition: 0})
				w.corrupt("n3", Corrupt{Partition: 0, Void: true})
			},
			silent: []partition.NodeID{"n1"}, want: []string{"fail n1: 0 n2 [n2 n3]"},
		},
		{
			name: "without a primary", nodes: 3, partitions: []string{"n1 n2 n3", "n1 n2 n3"},
			prepare: loseN1, want: []string{"give: 0 n2 [n2 n3], 1 n3 [n2 n3]"},
		},
		{
			name: "without a primary, and one is dead", nodes: 3, partitions: []string{"n1 n2 n3"},
			prepare: loseN1, silent: []partition.NodeID{"n2"}, want: []string{"fail n2: 0 n3 [n3]"},
		},
		{
			name: "without a primary, and all are dead", nodes: 3, partitions: []string{"n1 n2 n3"},
			prepare: loseN1, silent: []partition.NodeID{"n2", "n3"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t, test.nodes, 2, test.partitions...)
			w.beats()
			w.tick()
			for _, id := range test.silent {
				w.silent[id] = true
			}
			if test.corrupt != nil {
				test.corrupt(w)
			}
			w.run(1100 * ms)
			if test.prepare != nil {
				test.prepare(w)
			}
			w.wants(300*ms, test.want...)
			for _, c := range w.tick() {
				w.apply(c) // the machine takes every part of it
			}
			w.quiet(5 * time.Second)
		})
	}
}

// Nodes that leave are taken out in one change, as far as min-in-sync allows, and
// what they led goes to others; the rest goes on.
func TestPlanForNodesThatLeave(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name       string
		partitions []string
		leaving    []partition.NodeID
		silent     []partition.NodeID
		want       []string
	}{
		{"one of three", []string{"n1 n2 n3", "n2 n1 n3", "n4 n2 n3"}, []partition.NodeID{"n1"}, nil,
			[]string{"fail n1: 0 n3 [n2 n3], 1 n2 [n2 n3]"}},
		{"below min-in-sync it stays", []string{"n1 n2"}, []partition.NodeID{"n1"}, nil, nil},
		{"a failure leaves no room for it", []string{"n1 n2 n3"}, []partition.NodeID{"n1"}, []partition.NodeID{"n3"},
			[]string{"fail n3: 0 n1 [n1 n2]"}},
		{"the whole cluster", []string{"n1 n2 n3"}, []partition.NodeID{"n1", "n2", "n3", "n4"}, nil,
			[]string{"fail n1: 0 n2 [n2 n3]"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t, 4, 2, test.partitions...)
			w.beats()
			w.tick()
			for _, id := range test.silent {
				w.silent[id] = true
			}
			w.run(1100 * ms)
			for _, id := range test.leaving {
				w.report[id] = Report{Leaving: true}
			}
			w.wants(300*ms, test.want...)
			for _, c := range w.tick() {
				w.apply(c)
			}
			w.quiet(5 * time.Second)
		})
	}
}

// A node that has just booted is made primary only where there is no other.
func TestANewBootLeadsLast(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.run(time.Minute)
	n, _ := w.m.Map().Node("n2")
	again := *n
	again.Incarnation++
	w.apply(state.Register{Node: again, Accepted: n.Start()})
	w.run(500 * ms)
	w.report["n1"] = Report{Leaving: true}
	w.wants(300*ms, "fail n1: 0 n3 [n2 n3]")
}

// Whose log is behind would not serve soon.
func TestALogThatIsBehindLeadsLast(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.run(time.Minute)
	w.report["n2"] = Report{LogQueue: time.Second + ms}
	w.run(500 * ms)
	w.report["n1"] = Report{Leaving: true}
	w.wants(300*ms, "fail n1: 0 n3 [n2 n3]")
}

// loseN1 replaces n1's disk while nobody else is known to be alive.
func loseN1(w *watch) {
	n, _ := w.m.Map().Node("n1")
	r := state.Register{Node: *n}
	r.Node.Store, r.Node.Incarnation = 77, 1
	w.apply(r)
}

// Nothing is known of the primary: its secondary stays.
func TestSecondaryStaysWhilePrimaryIsUnclear(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.silent["n1"] = true // never heard from yet
	w.quiet(2 * time.Second)
	w.silent["n2"] = true
	w.quiet(3 * time.Second)
	w.silent["n1"] = false
	w.wants(250*ms, "fail n2: 0 n1 [n1 n3]")
}
