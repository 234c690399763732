package simulation

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// calm makes a schedule without faults but those of its plan.
func calm(w *world, plan func()) {
	p := &w.profile
	*p = profile{
		nodes: max(3, p.nodes), keys: 8, skew: p.skew, inOrder: true, stormDelay: time.Second,
		transfer: 10 * time.Millisecond, flushEvery: p.flushEvery, callEvery: 30 * time.Millisecond,
		patient: true, reads: 0.5, slowRaft: 0.02,
	}
	w.settings = partition.Settings{Partitions: 4, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: p.nodes}
	w.plan = plan
}

// TestOneFailureCostsLatencyNotErrors is promise 6: after the failure of one
// node every request at another is answered, and soon.
func TestOneFailureCostsLatencyNotErrors(t *testing.T) {
	t.Parallel()
	for _, failure := range []struct {
		name  string
		fail  func(w *world, n *node)
		limit time.Duration
	}{
		{"kill", func(_ *world, n *node) { n.crash(false) }, 3 * time.Second},
		{"kill and start", func(w *world, n *node) {
			n.crash(false)
			w.restart(n, w.between(50*time.Millisecond, 10*time.Second))
		}, 3 * time.Second},
		{"power loss", func(_ *world, n *node) { n.crash(true) }, 3 * time.Second},
		{"pause", func(_ *world, n *node) { n.pause(20 * time.Second) }, 4 * time.Second},
		{"isolation", func(w *world, n *node) {
			for other := range w.net.size {
				w.net.block(n.index, other, 20*time.Second)
				w.net.block(other, n.index, 20*time.Second)
			}
		}, 4 * time.Second},
	} {
		t.Run(failure.name, func(t *testing.T) {
			t.Parallel()
			worst := time.Duration(0)
			for seed := range uint64(12) {
				var (
					watched *world
					victim  *node
				)
				r := run(Options{Seed: seed + 1}, func(w *world) {
					watched = w
					calm(w, func() {
						victim = w.nodes[w.index(w.raft.machine.Map().Partitions[0].Primary)]
						failure.fail(w, victim)
					})
				})
				if r.Failure != "" {
					t.Errorf("seed %d: %s", r.Seed, r.Failure)
				}
				worst = max(worst, slowest(t, watched, victim))
			}
			if t.Logf("the slowest call took %v", worst); worst > failure.limit {
				t.Errorf("the slowest call took %v, want at most %v", worst, failure.limit)
			}
		})
	}
}

// slowest checks that every call but those at one node is answered, and returns
// how long the slowest took.
func slowest(t *testing.T, w *world, but *node) (worst time.Duration) {
	t.Helper()
	for _, c := range w.calls {
		if c.node == but || time.Duration(c.at) < faultsBegin {
			continue // the node's own clients ask another; or there is no map yet
		}
		if c.fate == open || c.fate == neverTaken {
			t.Errorf("seed %d: %s at %v ends with %s", w.seed, c, time.Duration(c.at), fateNames[c.fate])
		}
		worst = max(worst, time.Duration(c.returned-c.at))
	}
	return worst
}

// TestMovesCostNoPause is promise 9: while nodes are drained and get their share
// again, every request is answered, and none waits for a lease, a promise or a
// grant to run out.
func TestMovesCostNoPause(t *testing.T) {
	t.Parallel()
	worst := time.Duration(0)
	for seed := range uint64(12) {
		var watched *world
		r := run(Options{Seed: seed + 1}, func(w *world) {
			watched = w
			calm(w, func() { w.drainInTurn(0) })
			w.profile.nodes, w.settings.ExpectNodes = 5, 5
			w.profile.elastic, w.profile.slowRaft = true, 0
		})
		if r.Failure != "" {
			t.Errorf("seed %d: %s", r.Seed, r.Failure)
		}
		if r.Coverage[movesDone] < 20 {
			t.Errorf("seed %d: only %d moves", r.Seed, r.Coverage[movesDone])
		}
		worst = max(worst, slowest(t, watched, nil))
	}
	if t.Logf("the slowest call took %v", worst); worst > 200*time.Millisecond {
		t.Errorf("the slowest call took %v", worst)
	}
}

// drainInTurn drains one node after another, while the faults of other schedules
// last.
func (w *world) drainInTurn(index int) {
	if w.quiet {
		return
	}
	n := w.bases()[index%w.profile.nodes]
	w.admin(state.Assign{Node: n.id, Duty: partition.Draining})
	w.after(3*time.Second, func() {
		w.admin(state.Assign{Node: n.id, Duty: partition.Full})
		w.drainInTurn(index + 1)
	})
}

// TestWithoutCoordinatorsServiceGoesOn is promise 3.
func TestWithoutCoordinatorsServiceGoesOn(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		var watched *world
		r := run(Options{Seed: seed + 1}, func(w *world) {
			watched = w
			calm(w, func() {
				for _, c := range w.coordinators {
					c.stop()
				}
			})
		})
		if r.Failure != "" {
			t.Errorf("seed %d: %s", r.Seed, r.Failure)
		}
		if worst := slowest(t, watched, nil); worst > time.Second {
			t.Errorf("seed %d: the slowest call took %v", r.Seed, worst)
		}
	}
}

// TestAllReplicasComeBack checks that after a while of peace every replica is in
// sync again, also one whose disk was wiped, or that came and went.
func TestAllReplicasComeBack(t *testing.T) {
	t.Parallel()
	for seed := range uint64(15) {
		r := run(Options{Seed: seed + 1}, func(w *world) {
			w.settings.MinInSync = max(w.settings.MinInSync, min(2, w.settings.ReplicationFactor))
			w.peace = 90 * time.Second // longer than any back-off
		})
		if r.Failure != "" {
			t.Errorf("seed %d: %s", r.Seed, r.Failure)
		} else if r.Coverage[repaired] == 0 {
			t.Errorf("seed %d: some replica is not in sync", r.Seed)
		}
	}
}
