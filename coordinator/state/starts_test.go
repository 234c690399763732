package state

import (
	"errors"
	"slices"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// start is the next start on a directory, of which that one was accepted last
// and these followed.
func (c *cluster) start(i int, counter uint64, id partition.StartID, accepted partition.Start, since ...partition.Start) Register {
	n := node(i)
	n.Incarnation, n.StartID = counter, id
	r := Register{Node: n, Accepted: accepted, Since: since}
	if cur, placed := c.m.Map().Partition(0); placed {
		r.Copies = []Copy{{Partition: 0, Epoch: cur.Epoch, Lineage: cur.Lineage}}
	}
	return r
}

// firstStart is the one that the cluster was made with.
func firstStart(i int) partition.Start {
	n := node(i)
	return n.Start()
}

func s(counter uint64, id partition.StartID) partition.Start {
	return partition.Start{Incarnation: counter, ID: id}
}

// The table of what a directory may say of its starts, and what follows.
func TestStarts(t *testing.T) {
	t.Parallel()
	first := firstStart(3) // accepted when the cluster was made
	for _, test := range []struct {
		name     string
		register func(c *cluster) Register
		want     error
	}{
		{"the next start", func(c *cluster) Register { return c.start(3, 2, 22, first) }, nil},
		{"the same start again", func(c *cluster) Register { return c.start(3, 1, first.ID, partition.Start{}) }, nil},
		{"a start after one that did not learn of its acceptance", func(c *cluster) Register {
			c.ok(c.start(3, 2, 22, first))
			return c.start(3, 4, 44, first, s(2, 22), s(3, 33))
		}, nil},
		{"a directory from before the last start", func(c *cluster) Register {
			c.ok(c.start(3, 2, 22, first))
			return c.start(3, 2, 55, first)
		}, ErrOldStart},
		{"a directory from before the last start, started often", func(c *cluster) Register {
			c.ok(c.start(3, 2, 22, first))
			return c.start(3, 9, 99, first, s(2, 55), s(3, 66), s(4, 77))
		}, ErrOldStart},
		{"a start that forgot those in between", func(c *cluster) Register {
			c.ok(c.start(3, 2, 22, first))
			return c.start(3, 2000, 99, first, s(1999, 55))
		}, ErrOldStart},
		{"a late message of an earlier start", func(c *cluster) Register {
			c.ok(c.start(3, 2, 22, first))
			return c.start(3, 1, first.ID, partition.Start{})
		}, ErrOldStart},
		{"a counter that does not grow", func(c *cluster) Register { return c.start(3, 1, 55, first) }, ErrOldStart},
		{"a directory that says nothing of its past", func(c *cluster) Register { return c.start(3, 2, 22, partition.Start{}) }, ErrOldStart},
		{"coordinators from before the last start", func(c *cluster) Register { return c.start(3, 6, 66, s(5, 55)) }, ErrMapBehind},
		{"coordinators from before the store", func(c *cluster) Register {
			r := c.start(3, 6, 66, s(5, 55))
			r.Node.Store = 777
			return r
		}, ErrMapBehind},
		{"coordinators from before the node", func(c *cluster) Register { return c.start(9, 6, 66, s(5, 55)) }, ErrMapBehind},
		{"two histories", func(c *cluster) Register { return c.start(3, 2, 22, s(1, 11)) }, ErrTwoHistories},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := three(t, 3)
			r := test.register(c)
			if test.want != nil {
				c.refused(r, test.want)
				return
			}
			c.ok(r)
			if n, _ := c.m.Map().Node("n3"); n.Start() != r.Node.Start() {
				t.Errorf("the map has start %v", n.Start())
			}
		})
	}
}

// A directory that is behind is no lost disk, and neither is one that is ahead:
// nothing changes, and the copies that count still count.
func TestAFrozenStartIsNoLostDisk(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	r := c.start(3, 6, 66, s(5, 55))
	r.Node.Store = 777 // the disk was replaced after the backup
	c.refused(r, ErrMapBehind)
	c.is("1 n1 [n1 n2 n3] [] [] []")
	if u := c.m.Unsettled(); len(u) != 1 || u[0].Node != "n3" || u[0].Store != 777 || u[0].Disputed {
		t.Fatalf("unsettled: %+v", u)
	}
	c.refused(AcceptStart{Node: "n3", Store: 777, Start: s(6, 66), Accepted: s(5, 55)}, ErrMapBehind)
	for i := range 2 {
		c.apply(reports(c.m.Map(), i+1, false))
	}
	c.recoverMap()
	c.is("1048577 n1 [n1 n2] [n3] [] []")
	c.ok(r)
	if u := c.m.Unsettled(); len(u) != 0 {
		t.Errorf("unsettled: %+v", u)
	}
}

func TestRecoverMapTakesANodeThatTheMapLacks(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	r := c.start(4, 6, 66, s(5, 55))
	c.refused(r, ErrMapBehind)
	for i := range 3 {
		c.apply(reports(c.m.Map(), i+1, false))
	}
	c.recoverMap()
	c.ok(r)
	if n, ok := c.m.Map().Node("n4"); !ok || n.Start() != s(6, 66) || n.HTTPAddr == "" {
		t.Errorf("the map has %+v", n)
	}
}

// A directory of another history proves that the map is old as well as any: where its
// copies have adopted what the map never said.
func TestADisputedStartShowsThatTheMapIsBehind(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	r := c.start(3, 2, 22, s(1, 11))
	r.Copies = slices.Clone(r.Copies)
	for i := range r.Copies {
		r.Copies[i].Epoch += 3
	}
	c.refused(r, ErrTwoHistories)
	if len(r.Copies) == 0 || c.m.Behind().Since == 0 {
		t.Errorf("%d copies, and the coordinators decide on", len(r.Copies))
	}
}

// Of two histories the operator chooses one; its next start has a counter that
// the other cannot have used.
func TestOfTwoHistoriesOneIsChosen(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	chosen := c.start(3, 2, 22, s(1, 11), s(4, 44)) // an early counter, and a report of a higher one
	c.refused(chosen, ErrTwoHistories)
	if r := c.apply(chosen); r.Above != 4 {
		t.Errorf("the next start is to be above %d", r.Above)
	}
	c.ok(AcceptStart{Node: "n3", Store: node(3).Store, Start: s(2, 22), Accepted: s(1, 11)})
	c.is("2 n1 [n1 n2] [n3] [] []") // the map knew its copies by the other history
	c.refused(c.start(3, 4, 45, s(1, 11), s(2, 22)), ErrTwoHistories)
	c.refused(c.start(3, 2, 23, firstStart(3)), ErrTwoHistories) // the other one
	c.ok(c.start(3, 5, 56, s(1, 11), s(2, 22)))
	c.refused(c.start(3, 6, 67, firstStart(3)), ErrOldStart)
}

func TestAStartElsewhereWaitsForTheEarlierOne(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	r := c.boot(3, "n1")
	r.Node.PeerAddr = "elsewhere:7071"
	c.refused(r, ErrMayRun)
	r.Silent = s(9, 99) // another start was judged
	c.refused(r, ErrMayRun)
	r.Silent = r.Accepted
	c.ok(r)
}

// What runs at another address may be a copy of the directory, and the earlier
// process may be alive: its replicas count only once they are brought up to date.
func TestAStartElsewhereLearns(t *testing.T) {
	t.Parallel()
	elsewhere := func(c *cluster, i int, live ...partition.NodeID) Register {
		r := c.boot(i, live...)
		r.Node.PeerAddr = "elsewhere:7071"
		r.Silent = r.Accepted
		return r
	}
	t.Run("a secondary", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(elsewhere(c, 3, "n1", "n2"))
		c.is("2 n1 [n1 n2] [n3] [] []")
	})
	t.Run("the primary", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(elsewhere(c, 1, "n3"))
		c.is("2 n3 [n2 n3] [n1] [] []")
	})
	t.Run("what was silent at the same address may be alive too", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		r := c.boot(3, "n1", "n2")
		r.Silent = r.Accepted
		c.ok(r)
		c.is("2 n1 [n1 n2] [n3] [] []")
	})
	t.Run("one that falls below min-in-sync is not eligible", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(c.change("n1", 1, 2))
		c.ok(elsewhere(c, 2, "n1"))
		c.is("3 n1 [n1] [n2 n3] [] []")
	})
	t.Run("an eligible one is eligible no more", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(c.change("n1", 1))
		c.is("2 n1 [n1] [n2 n3] [n2 n3] []")
		c.ok(elsewhere(c, 2, "n1"))
		c.is("3 n1 [n1] [n2 n3] [n3] []")
	})
}

// The only copy that counts could be an old one, and accepting it would shut out
// the directory that has everything: the operator says which one it is.
func TestTheOnlyCopyElsewhereWaitsForTheOperator(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		alone func(c *cluster)
		was   string
		then  string
	}{
		{"the last in sync", func(c *cluster) {
			c.ok(wiped(c, 2))
			c.ok(wiped(c, 3))
		}, "3 n1 [n1] [n2 n3] [] []", "4 n1 [n1] [n2 n3] [] []"},
		{"others are in sync, and dead", func(c *cluster) { c.ok(c.change("n1", 1, 2)) }, "2 n1 [n1 n2] [n3] [] []", "3 n1 [n1 n2] [n3] [] []"},
		{"eligible, and none is in sync", func(c *cluster) {
			c.ok(c.change("n2", 2))
			c.ok(wiped(c, 2))
		}, "3  [] [n1 n2 n3] [n1 n3] [n2]", "4  [] [n1 n2 n3] [n1 n3] [n2]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := three(t, 3)
			test.alone(c)
			c.is(test.was)
			first := c.boot(1)
			first.Node.StartID += 500
			r := c.boot(1)
			r.Node.PeerAddr, r.Silent = "elsewhere:7071", r.Accepted
			c.refused(r, ErrOnlyCopy)
			if u := c.m.Unsettled(); len(u) != 1 || !u[0].Elsewhere || u[0].PeerAddr != "elsewhere:7071" {
				t.Fatalf("unsettled: %+v", u)
			}
			c.is(test.was)
			c.ok(AcceptStart{Node: "n1", Store: r.Node.Store, Start: r.Node.Start(), Accepted: r.Accepted})
			another := r // the word was not about this copy
			another.Node.StartID, another.Node.PeerAddr = 4711, "third:7071"
			c.refused(another, ErrOnlyCopy)
			c.refused(AcceptStart{Node: "n1", Store: r.Node.Store, Start: r.Node.Start(), Accepted: r.Accepted}, ErrStale)
			c.refused(r, ErrOnlyCopy) // and is given anew, for the one that asked last
			c.ok(AcceptStart{Node: "n1", Store: r.Node.Store, Start: r.Node.Start(), Accepted: r.Accepted})
			later := r
			later.Node.Incarnation, later.Node.StartID, later.Since = 3, 4712, []partition.Start{r.Node.Start()}
			c.ok(later)
			c.is(test.then)
			if u := c.m.Unsettled(); len(u) != 0 {
				t.Errorf("unsettled: %+v", u)
			}
			c.refused(first, ErrOldStart)
		})
	}
	t.Run("the first one comes back", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(wiped(c, 2))
		c.ok(wiped(c, 3))
		r := c.boot(1)
		r.Node.PeerAddr, r.Silent = "elsewhere:7071", r.Accepted
		c.refused(r, ErrOnlyCopy)
		c.ok(c.boot(1))
		c.is("4 n1 [n1] [n2 n3] [] []")
		c.refused(AcceptStart{Node: "n1", Store: r.Node.Store, Start: r.Node.Start(), Accepted: r.Accepted}, ErrStale)
	})
}

func TestSettledStartsSurviveASnapshot(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.refused(c.start(3, 2, 22, s(1, 11)), ErrTwoHistories)
	m, err := Restore(c.m.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	if r := m.Apply(c.index+1, c.start(3, 2, 22, s(1, 11))); !errors.Is(r.Err, ErrTwoHistories) || len(m.Unsettled()) != 1 {
		t.Errorf("%v; unsettled %+v", r.Err, m.Unsettled())
	}
}
