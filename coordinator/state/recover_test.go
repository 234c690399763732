package state

import (
	"testing"
)

func TestRecover(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.refused(c.recover("n2"), ErrNotEligible)
	c.refused(Recover{Partition: 3, Node: "n2"}, ErrNotPlaced)
	c.ok(c.change("n1", 1, 2))
	c.ok(c.change("n1", 1))
	c.refused(c.recover("n3"), ErrNotEligible) // a learner only
	c.ok(c.recover("n2"))
	// n1 has every acknowledged write as well: nothing was acknowledged since.
	c.is("4 n2 [n2] [n1 n3] [n1] []")
	if c.at(0).Lineage != 7 {
		t.Error("the lineage has changed")
	}
	before := c.m.Map()
	c.refused(Recover{Node: "n2", Epoch: 3}, ErrStale)
	c.refused(c.recover("n2"), ErrNotEligible)
	if c.m.Map() != before {
		t.Error("said twice, the command has changed the map")
	}
	if o := c.m.Overrides(); len(o) != 1 || o[0].Unsafe || o[0].Epoch != 4 || o[0].Before.Epoch != 3 || o[0].Replica != replicas(2)[0] {
		t.Errorf("overrides %+v", o)
	}
}

func TestRecoverAfterTheLastDiskIsLost(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.change("n1", 1))
	c.ok(wiped(c, 1))
	c.is("3  [] [n1 n2 n3] [n2 n3] [n1]")
	c.ok(c.recover("n3"))
	c.is("4 n3 [n3] [n1 n2] [n2] []")
}

func TestUnsafeRecover(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	c.ok(c.change("n1", 1, 2))
	c.ok(c.change("n1", 1))
	c.refused(c.unsafely("n3", 0), ErrInvalid)
	c.refused(c.unsafely("n3", 7), ErrInvalid)
	c.refused(c.unsafely("n4", 8), ErrNoCopy)
	c.refused(UnsafeRecover{Partition: 1, Node: "n3", Lineage: 8}, ErrNotPlaced)
	c.ok(c.unsafely("n3", 8))
	c.is("4 n3 [n3] [n1 n2] [] []")
	if c.at(0).Lineage != 8 {
		t.Error("the lineage is the old one")
	}
	c.refused(UnsafeRecover{Node: "n3", Lineage: 8, Epoch: 3}, ErrStale) // said twice
	c.is("4 n3 [n3] [n1 n2] [] []")
	if o := c.m.Overrides(); len(o) != 1 || !o[0].Unsafe || o[0].Lineage != 8 || o[0].Before.Lineage != 7 {
		t.Errorf("overrides %+v", o)
	}
}

// The copy that the operator chose turns out to be damaged at its next start.
func TestUnsafeRecoverOfACopyThatIsThenLost(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.change("n1", 1, 2))
	r := c.boot(3)
	r.Copies = []Copy{{Partition: 0}}
	c.ok(c.unsafely("n3", 8))
	c.apply(r)
	c.is("4  [] [n1 n2 n3] [] [n3]")
}

// The operator chooses a copy of a node that is down, or that goes down before
// it has heard of it: at its start it has the lineage before, and is the one.
func TestUnsafeRecoverOfACopyThatIsDown(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.change("n1", 1, 2))
	before := c.boot(3)
	c.ok(c.unsafely("n3", 8))
	c.ok(before)
	c.is("4 n3 [n3] [n1 n2] [] []")
	stranger := c.boot(3)
	stranger.Copies[0].Lineage = 9 // it has adopted the choice, and is not it
	if r := c.apply(stranger); len(r.Verdicts) != 1 {
		t.Errorf("%+v", r)
	}
}
