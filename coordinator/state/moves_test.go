package state

import (
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// ends ends the move of partition 0 that is under way.
func (c *cluster) ends(cancel bool) End {
	c.t.Helper()
	v, ok := c.m.Map().Move(0)
	if !ok {
		c.t.Fatal("nothing moves")
	}
	return End{Moves: []EndMove{{Partition: 0, Since: v.Since, Cancel: cancel}}}
}

func TestMoveGrowsAndThenShrinks(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.begin(partition.Move{From: "n3", To: "n4"}))
	c.is("2 n1 [n1 n2 n3] [n4] [] []")
	c.refused(c.ends(false), ErrNotDone)
	c.refused(c.begin(partition.Move{From: "n2", To: "n4"}), ErrMoving)
	c.ok(c.change("n1", 1, 2, 3, 4))
	c.ok(c.ends(false))
	c.is("4 n1 [n1 n2 n4] [] [] []")
	if n := len(c.m.Map().Moves); n != 0 {
		t.Errorf("%d moves are left", n)
	}
}

// The primary takes out who leaves: that ends the move, in one epoch.
func TestTheChangeThatShrinksEndsTheMove(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.begin(partition.Move{From: "n3", To: "n4"}))
	c.ok(c.change("n1", 1, 2)) // it has failed: who is to come has not come yet
	c.is("3 n1 [n1 n2] [n3 n4] [] []")
	c.ok(c.change("n1", 1, 2, 3))
	c.ok(c.change("n1", 1, 2, 3, 4))
	c.ok(c.change("n1", 1, 2, 4))
	c.is("6 n1 [n1 n2 n4] [] [] []")
	if n := len(c.m.Map().Moves); n != 0 {
		t.Errorf("%d moves are left", n)
	}
}

func TestMoveOfThePrimaryWaitsForTheHandOver(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.begin(partition.Move{From: "n1", To: "n4"}))
	c.ok(c.change("n1", 1, 2, 3, 4))
	c.refused(c.ends(false), ErrNotDone)
	c.ok(c.change("n4", 1, 2, 3, 4))
	c.ok(c.ends(false))
	c.is("5 n4 [n2 n3 n4] [] [] []")
}

func TestAMoveThatIsCancelledTakesItsLearnerAway(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.begin(partition.Move{From: "n3", To: "n4"}))
	late := c.ends(true)
	c.ok(late)
	c.is("3 n1 [n1 n2 n3] [] [] []")
	c.refused(late, ErrNoMove)
	// In sync already: it stays, and the next plan has one too many to take away.
	c.ok(c.begin(partition.Move{From: "n3", To: "n4"}))
	c.refused(late, ErrNoMove) // another move of the same partition
	c.ok(c.change("n1", 1, 2, 3, 4))
	c.ok(c.ends(true))
	c.is("5 n1 [n1 n2 n3 n4] [] [] []")
	c.ok(c.begin(partition.Move{From: "n4"}))
	c.ok(c.ends(false))
	c.is("6 n1 [n1 n2 n3] [] [] []")
}

// The others fell away while one was added: with two in sync none may leave.
func TestMoveNeverGoesBelowMinInSync(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.begin(partition.Move{From: "n2", To: "n4"}))
	c.ok(c.change("n1", 1, 2, 3, 4))
	c.ok(c.change("n4", 2, 4))
	c.refused(c.ends(false), ErrNotDone)
}

func TestMoveRefusals(t *testing.T) {
	t.Parallel()
	c := three(t, 5)
	c.ok(Assign{Node: "n5", Duty: partition.Draining})
	for want, moves := range map[error][]partition.Move{
		ErrInvalid:     {{}, {From: "n1", To: "n1"}, {Primary: "n1"}, {Primary: "n2", To: "n4"}},
		ErrTaken:       {{To: "n2"}},
		ErrNoCopy:      {{From: "n4"}, {From: "n4", To: "n5"}},
		ErrNoDuty:      {{From: "n1", To: "n5"}},
		ErrUnknownNode: {{To: "n9"}},
		ErrNotInSync:   {{Primary: "n4"}},
		ErrNotPlaced:   {{Partition: 7, To: "n4"}},
	} {
		for _, v := range moves {
			c.refused(c.begin(v), want)
		}
	}
}

func TestHandOverIsAMove(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.begin(partition.Move{Primary: "n2"}))
	c.is("1 n1 [n1 n2 n3] [] [] []")
	c.refused(c.ends(false), ErrNotDone)
	c.ok(c.change("n2", 1, 2, 3))
	c.ok(c.ends(false))
	c.is("2 n2 [n1 n2 n3] [] [] []")
}

// A dead node's replica is a learner by then: it goes, and takes nothing along.
func TestReplacementOfADeadNode(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.change("n1", 1, 2))
	c.refused(replaced(3, 2), ErrStale)
	c.ok(replaced(3, 1))
	c.ok(c.begin(partition.Move{From: "n3", To: "n4"}))
	c.ok(c.change("n1", 1, 2, 4))
	c.ok(c.ends(false))
	c.is("5 n1 [n1 n2 n4] [] [] []")
	// It is back: it has full duty again, and no part in the partition.
	c.ok(c.boot(3))
	if n, _ := c.m.Map().Node("n3"); n.Duty != partition.Full {
		t.Errorf("it is %v", n.Duty)
	}
	c.is("5 n1 [n1 n2 n4] [] [] []")
}

func TestANodeThatIsBackKeepsWhatHasNotMovedYet(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.change("n1", 1, 2))
	c.ok(replaced(3, 1))
	c.ok(c.begin(partition.Move{From: "n3", To: "n4"}))
	c.is("3 n1 [n1 n2] [n3 n4] [] []")
	c.ok(c.boot(3))
	c.is("4 n1 [n1 n2] [n3] [] []")
	if n := len(c.m.Map().Moves); n != 0 {
		t.Errorf("%d moves are left", n)
	}
}

func TestEligibleReplicasAreNotTakenAway(t *testing.T) {
	t.Parallel()
	c := three(t, 5)
	c.ok(c.change("n1", 1)) // n2 and n3 are eligible
	c.ok(c.begin(partition.Move{From: "n2"}))
	c.refused(c.ends(false), ErrNotDone)
	c.ok(c.ends(true))
	c.is("2 n1 [n1] [n2 n3] [n2 n3] []")
}

func TestDutyOutlastsARestart(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(Assign{Node: "n2", Duty: partition.Draining})
	c.ok(Weigh{Node: "n2", Weight: 5})
	boot := c.boot(2)
	boot.Node.Weight, boot.Node.Duty = 0, partition.Full
	c.ok(boot)
	if n, _ := c.m.Map().Node("n2"); n.Duty != partition.Draining || n.Weight != 5 {
		t.Errorf("after a restart it is %v, with weight %d", n.Duty, n.Weight)
	}
	c.refused(replaced(2, 2), ErrStale)
	c.refused(Assign{Node: "n2", Duty: partition.Replaced}, ErrInvalid)
	c.ok(Assign{Node: "n2"})
	c.refused(Assign{Node: "n9"}, ErrUnknownNode)
}

func TestRemovedNodeDoesNotComeBackWithItsDisk(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.refused(c.remove("n3"), ErrStale)
	c.ok(Assign{Node: "n3", Duty: partition.Removing})
	c.refused(c.remove("n3"), ErrStillHolds)
	boot := c.boot(3)
	c.ok(c.begin(partition.Move{From: "n3", To: "n4"}))
	c.ok(c.change("n1", 1, 2, 3, 4))
	c.ok(c.ends(false))
	c.ok(c.remove("n3"))
	c.refused(boot, ErrRemoved)
	boot.Node.ID = "n7"
	c.refused(boot, ErrRemoved)
	boot.Node.ID, boot.Node.Store, boot.Accepted = "n3", 777, partition.Start{}
	c.ok(boot)
}

func TestRemoveOfALostNode(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.begin(partition.Move{From: "n3", To: "n4"}))
	c.ok(c.lost("n1", "n2"))
	c.is("3 n2 [n2 n3] [n4] [] []")
	c.ok(c.lost("n3"))
	c.is("4 n2 [n2] [n4] [] []")
	if n := len(c.m.Map().Moves); n != 0 {
		t.Errorf("%d moves are left of a node that is gone", n)
	}
	c.ok(c.lost("n2"))
	c.is("5  [] [n4] [] [n2]")
}

func TestRebalanceSettings(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	if got := c.m.Map().Rebalance; got != partition.DefaultRebalance {
		t.Errorf("at first: %+v", got)
	}
	c.refused(SetRebalance{Change: partition.Rebalance{AtOnce: -1}.Change()}, ErrInvalid)
	want := partition.Rebalance{Paused: true, AtOnce: 1, AtOnceEach: 1}
	c.ok(SetRebalance{Change: want.Change()})
	if got := c.m.Map().Rebalance; got != want {
		t.Errorf("now: %+v", got)
	}
}
