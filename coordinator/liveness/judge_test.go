package liveness

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// Rule C4.
func TestJudge(t *testing.T) {
	t.Parallel()
	const same, wait = "as asked", "too early"
	for _, test := range []struct {
		name      string
		minInSync int
		prepare   func(w *watch)
		silent    map[partition.NodeID]time.Duration // how long before the judgement
		ask       partition.Change
		want      string
	}{
		{name: "enough remain", minInSync: 2, ask: ask("n1", "n1", "n2"), want: same},
		{name: "too few, accused are alive", minInSync: 2, ask: ask("n1", "n1"), want: "n2 [n2 n3]"},
		{
			name: "too few, accused are dead", minInSync: 2, ask: ask("n1", "n1"),
			silent: map[partition.NodeID]time.Duration{"n2": 2 * time.Second, "n3": 2 * time.Second}, want: same,
		},
		{
			name: "two died together", minInSync: 2, ask: ask("n1", "n1"),
			silent: map[partition.NodeID]time.Duration{"n2": 600 * ms, "n3": 600 * ms}, want: wait,
		},
		{
			name: "one of them is dead", minInSync: 2, ask: ask("n1", "n1"),
			silent: map[partition.NodeID]time.Duration{"n3": 2 * time.Second}, want: "n2 [n2]",
		},
		{
			name: "one of them may be dead", minInSync: 2, ask: ask("n1", "n1"),
			silent: map[partition.NodeID]time.Duration{"n3": 700 * ms}, want: wait,
		},
		{
			name: "of two", minInSync: 2, prepare: func(w *watch) { w.set(0, "n1", "n1", "n3") },
			ask: ask("n1", "n1"), want: "n3 [n3]",
		},
		{name: "who is not accused stays", minInSync: 3, ask: ask("n1", "n1", "n3"), want: "n2 [n2 n3]"},
		{
			name: "fewest primaries", minInSync: 2, prepare: func(w *watch) { w.set(1, "n2", "n1", "n2", "n3") },
			ask: ask("n1", "n1"), want: "n3 [n2 n3]",
		},
		{
			name: "not one whose log is behind", minInSync: 2, prepare: func(w *watch) {
				w.d.Heartbeat(w.now, process("n2", 1), Report{MapVersion: 1 << 40, LogQueue: time.Second + ms})
			},
			ask: ask("n1", "n1"), want: "n3 [n2 n3]",
		},
		{
			name: "a copy that is void is given up, and its node does not lead", minInSync: 2, prepare: func(w *watch) {
				w.d.Heartbeat(w.now, process("n2", 1), Report{MapVersion: 1 << 40, Corrupt: []Corrupt{{Partition: 0, Void: true}}})
			},
			ask: ask("n1", "n1"), want: "n3 [n3]",
		},
		{
			name: "all accused copies are void", minInSync: 2, prepare: func(w *watch) {
				w.set(0, "n1", "n1", "n2")
				w.d.Heartbeat(w.now, process("n2", 1), Report{MapVersion: 1 << 40, Corrupt: []Corrupt{{Partition: 0, Void: true}}})
			},
			ask: ask("n1", "n1"), want: same,
		},
		{name: "nobody is accused", minInSync: 3, prepare: func(w *watch) { w.set(0, "n1", "n1", "n2") }, ask: ask("n1", "n1", "n2"), want: same},
		{name: "not by the primary", minInSync: 2, ask: ask("n2", "n1"), want: same},
		{name: "by the coordinators", minInSync: 2, ask: ask("", "n1"), want: same},
		{name: "with the epoch of the past", minInSync: 2, prepare: func(w *watch) { w.set(0, "n1", "n1", "n2", "n3") }, ask: partition.Change{Epoch: 1, Primary: "n1", Proposer: "n1"}, want: same},
		{name: "of no partition", minInSync: 2, ask: partition.Change{Partition: 5, Proposer: "n1", Primary: "n1"}, want: same},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t, 3, test.minInSync, "n1 n2 n3", "n1 n2 n3")
			w.beats()
			for elapsed := time.Duration(0); elapsed <= 3*time.Second; elapsed += 50 * ms {
				w.now += 50 * ms
				for _, n := range w.m.Map().Nodes {
					if elapsed <= 3*time.Second-test.silent[n.ID] {
						w.d.Heartbeat(w.now, process(n.ID, 1), Report{MapVersion: 1 << 40})
					}
				}
				w.tick()
			}
			if test.prepare != nil {
				test.prepare(w)
			}
			c := test.ask
			cur, placed := w.m.Map().Partition(c.Partition)
			if placed && c.Epoch == 0 {
				c.Epoch = cur.Epoch
			}
			for i, r := range c.Replicas {
				c.Replicas[i] = w.replicas(string(r.Node))[0]
			}
			got, clear := w.d.Judge(w.now, w.m.Map(), c)
			switch {
			case !clear && test.want != wait, clear && test.want == wait:
				t.Errorf("clear: %v", clear)
			case test.want == same && fmt.Sprint(got) != fmt.Sprint(c):
				t.Errorf("%+v became %+v", c, got)
			case test.want != same && test.want != wait:
				if s := fmt.Sprint(got.Primary, " ", partition.Nodes(got.Replicas)); s != test.want || got.Epoch != c.Epoch {
					t.Errorf("got %s, want %s", s, test.want)
				}
				w.apply(state.Changes{Changes: []partition.Change{got}})
			}
		})
	}
}

func ask(proposer partition.NodeID, set ...partition.NodeID) partition.Change {
	c := partition.Change{Proposer: proposer, Primary: "n1"}
	for _, id := range set {
		c.Replicas = append(c.Replicas, partition.Replica{Node: id})
	}
	return c
}
