package liveness

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
	"pgregory.net/rapid"
)

// Whatever falls silent and comes back: what the detector wants fits the map it
// was computed from, and obeys the rules of section "On suspicion".
func TestRandomFailures(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(3, 6).Draw(t, "nodes")
		w := &watch{
			t: t, d: New(Config{}), m: state.New(), now: time.Hour,
			silent: map[partition.NodeID]bool{}, report: map[partition.NodeID]Report{},
		}
		w.apply(state.Create{ClusterID: "c", Application: "a", Settings: partition.Settings{
			Partitions: 12, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3,
		}})
		for i := range nodes {
			w.apply(state.Register{Node: named(i + 1)})
		}
		list, err := partition.Place(w.m.Map().Nodes, w.m.Map().Settings, func() uint32 { return 1 })
		if err != nil {
			t.Fatal(err)
		}
		w.apply(state.Place{Configurations: list})
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			id := named(rapid.IntRange(1, nodes).Draw(t, "node")).ID
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0, 1:
				w.silent[id] = !w.silent[id]
			case 2:
				w.apply(nextBoot(w, id))
			case 3:
				w.report[id] = Report{OldestFsync: time.Duration(rapid.IntRange(0, 2).Draw(t, "fsync")) * time.Second}
			case 4:
				repair(w)
			case 5:
				w.now += time.Duration(rapid.IntRange(0, 1000).Draw(t, "pause")) * ms
			}
			health := func() map[partition.NodeID]Health { return w.d.survey(w.now, w.m.Map()) }
			for _, c := range w.run(time.Duration(rapid.IntRange(0, 30).Draw(t, "time")) * 50 * ms) {
				obeys(t, w.m.Map(), health(), c)
				w.apply(c) // every verdict is accepted, or it fails
			}
			if err := w.m.Map().Validate(); err != nil {
				t.Fatal(err)
			}
		}
		// In the end all are alive: every partition gets a primary that lives.
		clear(w.silent)
		clear(w.report)
		for end := w.now + 3*time.Second; w.now < end; {
			for _, c := range w.run(end - w.now) {
				w.apply(c)
			}
		}
		for _, c := range w.m.Map().Partitions {
			if c.Primary == "" || len(c.Replicas) == 0 {
				t.Fatalf("%+v", c)
			}
		}
	})
}

// repair adds a learner of each partition, as its primary would.
func repair(w *watch) {
	for _, c := range w.m.Map().Partitions {
		if len(c.Learners) == 0 || c.Primary == "" {
			continue
		}
		set := []string{string(c.Learners[0].Node)}
		for _, r := range c.Replicas {
			set = append(set, string(r.Node))
		}
		w.set(c.ID, string(c.Primary), set...)
	}
}

func obeys(t *rapid.T, m *partition.Map, health map[partition.NodeID]Health, c state.Command) {
	fail, ok := c.(state.Fail)
	if !ok {
		return
	}
	if health[fail.Node].State != Suspected {
		t.Fatalf("%+v of a node that is %v", fail, health[fail.Node])
	}
	for _, ch := range fail.Changes {
		was, _ := m.Partition(ch.Partition)
		if !was.InSync(fail.Node) || health[ch.Primary].State != Live || !was.InSync(ch.Primary) {
			t.Fatalf("%+v\nof %+v\nnodes are %v", ch, was, health)
		}
		if was.Primary != ch.Primary && was.Primary != "" && health[was.Primary].State != Suspected {
			t.Fatalf("%+v moves a primary that is %v", ch, health[was.Primary])
		}
		for _, r := range was.Replicas {
			if _, stays := partition.Find(ch.Replicas, r.Node); stays == (health[r.Node].State == Suspected) {
				t.Fatalf("%+v: node %q is %v", ch, r.Node, health[r.Node])
			}
		}
	}
}
