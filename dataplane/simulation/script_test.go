package simulation

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// script runs the same short play again and again in a cluster in which nothing
// else happens: one partition of three replicas on four nodes.
func script(t *testing.T, seeds uint64, round func(w *world)) {
	t.Helper()
	for seed := uint64(1); seed <= seeds; seed++ {
		r := run(Options{Seed: seed}, func(w *world) {
			p := &w.profile
			p.nodes, p.keys, p.elastic, p.unsafe = 4, 2, false, false
			p.weights = [faultKinds]float64{}
			p.loss, p.duplicate, p.late, p.badBeacon, p.stuck, p.badMoment = 0, 0, 0, 0, 0, 0
			p.slowSync, p.slowRaft, p.lateLeader = 0, 0, 0
			p.callEvery, p.keyed, p.ttls = time.Hour, 0, 0
			w.settings = partition.Settings{Partitions: 1, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 4}
			w.plan = func() {
				for at := time.Duration(0); at < faultsEnd-faultsBegin-4*time.Second; at += 4 * time.Second {
					w.after(at, func() { round(w) })
				}
			}
		})
		if r.Failure != "" {
			t.Errorf("seed %d: %s", r.Seed, r.Failure)
		}
	}
}

// ask sends a client's write to a node.
func (w *world) ask(n *node, action replica.Action, condition replica.Condition) *call {
	c := &call{w: w, index: len(w.calls), key: &w.keys[0], action: action, condition: condition, timeout: 3 * time.Second}
	w.send(c, n)
	return c
}

// cast returns who plays: the partition's primary, its secondaries, and the node
// that has no replica; false while the cluster is not as it was placed.
func (w *world) cast() (primary *node, secondaries []*node, other *node, ready bool) {
	c, _ := w.raft.machine.Map().Partition(0)
	for _, n := range w.bases() {
		switch {
		case !n.up || n.paused:
			return nil, nil, nil, false
		case n.id == c.Primary:
			primary = n
		case c.InSync(n.id):
			secondaries = append(secondaries, n)
		default:
			other = n
		}
	}
	return primary, secondaries, other, primary != nil && len(secondaries) == 2
}

// A request's first attempt gets stuck on its way, and its second is refused by a
// condition, on an entry that is not committed. Then the condition holds, and the
// first attempt arrives and is logged; and the epoch changes, and the primary does
// not. Were the second attempt's verdict given in the new epoch, it would pass for
// a proof that the first was not logged (W5, Q4, C6).
func TestAVerdictProvesNothingInAnotherEpoch(t *testing.T) {
	t.Parallel()
	met := 0
	script(t, 4, func(w *world) {
		primary, secondaries, other, ready := w.cast()
		if !ready {
			return
		}
		epoch := w.raft.machine.Map().Partitions[0].Epoch
		w.ask(other, replica.Delete, replica.Condition{})
		w.after(100*time.Millisecond, func() {
			secondaries[0].pause(700 * time.Millisecond) // nothing commits meanwhile
			w.ask(primary, replica.Put, replica.Condition{})
			var stuck func()
			w.after(20*time.Millisecond, func() {
				create := w.ask(other, replica.Put, replica.Condition{IfNoneMatchStar: true})
				w.forwarding = func(q *request, arrive func()) bool {
					if q.call != create || stuck != nil {
						return false
					}
					stuck = arrive
					q.p.later(time.Millisecond, func() { q.p.broken(primary.index) })
					return true
				}
			})
			w.after(300*time.Millisecond, func() { w.ask(primary, replica.Delete, replica.Condition{}) })
			w.after(330*time.Millisecond, func() {
				w.forwarding = nil
				s, ok := primary.process.group(0).Status(0)
				if stuck == nil || !ok || s.Epoch != epoch || s.Unacknowledged < 3 {
					return
				}
				met++
				stuck()
			})
			w.after(400*time.Millisecond, func() {
				c := w.raft.machine.Map().Partitions[0]
				w.raft.propose(state.Changes{Changes: []partition.Change{{
					Partition: 0, Epoch: c.Epoch, Primary: c.Primary, Replicas: c.Replicas, Reason: "raises the epoch",
				}}})
			})
		})
	})
	if met < 4 {
		t.Errorf("the play went as it should %d times", met)
	}
}
