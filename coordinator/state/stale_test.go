package state

import (
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// Every command that carries what its proposer saw is refused where that has
// changed before it is applied.

// The leader has judged a recovery while the partition had no primary. Before the
// command is applied, the last in-sync replica is back, and acknowledges writes.
func TestARecoveryDoesNotOverrideAPrimaryThatReturned(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.change("n1", 1, 2)) // n3 is a learner, and stale
	c.ok(wiped(c, 2))          // n2's disk is lost
	c.is("3 n1 [n1] [n2 n3] [] []")
	judged := c.unsafely("n3", 8)
	c.ok(c.boot(1, "n1", "n2", "n3"))
	c.is("4 n1 [n1] [n2 n3] [] []")
	c.refused(judged, ErrStale)

	c = three(t, 3)
	c.ok(c.change("n1", 1)) // n2 and n3 are eligible
	safe := c.recover("n2")
	c.ok(c.boot(1, "n2", "n3"))
	c.is("3 n1 [n1] [n2 n3] [n2 n3] []")
	c.refused(safe, ErrStale)
}

func TestAnUndrainedNodeIsNotRemoved(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(Assign{Node: "n4", Duty: partition.Removing})
	proposed := c.remove("n4")
	given := c.lost("n4")
	c.ok(Assign{Node: "n4", Duty: partition.Full})
	c.refused(proposed, ErrStale)
	c.refused(given, ErrStale)
}

// A node that was started again between the look and the command is not given up,
// nor replaced; its counter may begin anew with another disk.
func TestAStartThatWasNotJudgedIsLeftAlone(t *testing.T) {
	t.Parallel()
	c := three(t, 5)
	gone, away := c.lost("n3"), replaced(3, 1)
	c.ok(wiped(c, 3))
	if n, _ := c.m.Map().Node("n3"); n.Incarnation != 1 {
		t.Fatalf("the new disk's start is %d, want the number of the old one's", n.Incarnation)
	}
	c.refused(gone, ErrStale)
	c.refused(away, ErrStale)
	gone = c.lost("n3")
	c.ok(c.boot(3))
	c.refused(gone, ErrStale)
}

func TestAWeightDoesNotUndoADrain(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	is := func(duty partition.Duty, weight uint32) {
		t.Helper()
		if n, _ := c.m.Map().Node("n4"); n.Duty != duty || n.Weight != weight {
			t.Errorf("n4 is %v with weight %d, want %v with %d", n.Duty, n.Weight, duty, weight)
		}
	}
	c.ok(Assign{Node: "n4", Duty: partition.Draining})
	c.ok(Weigh{Node: "n4", Weight: 2})
	is(partition.Draining, 2)
	c.ok(Assign{Node: "n4", Duty: partition.Full})
	is(partition.Full, 2)
	c.ok(replaced(4, 1))
	c.ok(Weigh{Node: "n4", Weight: 3})
	is(partition.Replaced, 3)
	c.refused(Weigh{Node: "n4"}, ErrInvalid)
	c.refused(Weigh{Node: "n9", Weight: 1}, ErrUnknownNode)
}

// The rebalancer gives a node that was away its share again, by a look from before
// the operator's drain.
func TestAReturnDoesNotUndoADrain(t *testing.T) {
	t.Parallel()
	c := three(t, 5)
	c.ok(replaced(4, 1))
	back := Assign{Node: "n4", Store: node(4).Store, Incarnation: 1, Was: partition.Replaced, Duty: partition.Full}
	c.ok(Assign{Node: "n4", Duty: partition.Draining})
	c.refused(back, ErrStale)
	c.ok(Assign{Node: "n4"})
	c.ok(back) // it has full duty
	c.ok(replaced(4, 1))
	c.ok(back)
	if n, _ := c.m.Map().Node("n4"); n.Duty != partition.Full {
		t.Errorf("it is %v", n.Duty)
	}
}

// Two drains that were each judged possible are not both applied.
func TestTwoDrainsDoNotLeaveTooFewNodes(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(Assign{Node: "n4", Duty: partition.Draining})
	for _, duty := range []partition.Duty{partition.Draining, partition.Removing} {
		c.refused(Assign{Node: "n3", Duty: duty}, ErrTooFewNodes)
	}
	c.refused(replaced(3, 1), ErrTooFewNodes)
}

// Changes of different settings that were sent at the same time are all made.
func TestRebalanceChangesDoNotUndoEachOther(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	paused, throttle := true, int64(1<<20)
	c.ok(SetRebalance{Change: partition.RebalanceChange{Paused: &paused}})
	c.ok(SetRebalance{Change: partition.RebalanceChange{Throttle: &throttle}})
	want := partition.DefaultRebalance
	want.Paused, want.Throttle = paused, throttle
	if got := c.m.Map().Rebalance; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// No move begins once a pause, or another change of what the plan rests on, was
// answered; a change of another partition does not matter.
func TestAMoveThatWasPlannedBeforeAPauseDoesNotBegin(t *testing.T) {
	t.Parallel()
	paused := true
	for _, between := range []Command{
		SetRebalance{Change: partition.RebalanceChange{Paused: &paused}},
		Assign{Node: "n5", Duty: partition.Draining},
		Weigh{Node: "n3", Weight: 4},
	} {
		c := three(t, 5)
		planned := c.begin(partition.Move{From: "n3", To: "n4"})
		c.ok(between)
		c.refused(planned, ErrStale)
		restored, err := Restore(c.m.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		if r := restored.Apply(c.index+1, planned); r.Err == nil {
			t.Errorf("%+v: a machine restored from a snapshot begins it", between)
		}
	}
	c := three(t, 5)
	planned := c.begin(partition.Move{From: "n3", To: "n4"})
	c.ok(c.change("n1", 1, 2, 3))
	c.ok(planned)
}

// A coordinator's place goes to one directory only.
func TestAPlaceIsNotGivenTwice(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(SeatFor(c.m.Seats(), "c3", 0))
	first, second := SeatFor(c.m.Seats(), "c3", 11), SeatFor(c.m.Seats(), "c3", 12)
	c.ok(first)
	if r := c.apply(second); r.Err == nil {
		t.Error("a place was given to a second directory")
	}
	if s := c.m.Seats(); len(s) != 1 || s[0].Store != 11 {
		t.Errorf("%+v", s)
	}
	c.ok(SeatFor(c.m.Seats(), "c3", 11)) // said again
}
