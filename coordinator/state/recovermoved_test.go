package state

import (
	"errors"
	"slices"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// elsewhere is a report of another start of node i, at another address, after the
// earlier one was found silent.
func elsewhere(m *partition.Map, i int, silent partition.Start) Register {
	r := reports(m, i, true)
	r.Node.PeerAddr, r.Silent = "elsewhere:7071", silent
	return r
}

// An earlier start that is cut off may serve still. While the map is behind, too,
// another one on a copy of its directory is not put beside it.
func TestRecoverMapWithAStartElsewhere(t *testing.T) {
	t.Parallel()
	behind := func(t *testing.T, inSync ...int) (*history, *partition.Map) {
		h := backedUp(three(t, 3))
		h.ok(h.change("n1", inSync...))
		later := h.restore()
		h.apply(reports(later, 2, false))
		h.apply(reports(later, 3, false))
		return h, later
	}
	t.Run("learns where others are in sync", func(t *testing.T) {
		t.Parallel()
		h, later := behind(t, 1, 2)
		h.apply(elsewhere(later, 1, firstStart(1)))
		h.recoverMap()
		h.is("1048578 n2 [n2] [n1 n3] [] []")
	})
	t.Run("waits for the operator where it has the only copy", func(t *testing.T) {
		t.Parallel()
		h, later := behind(t, 1)
		r := elsewhere(later, 1, firstStart(1))
		h.apply(r)
		p, err := h.m.PlanRecovery(nil)
		if err != nil || !slices.Equal(p.Unvouched, []partition.NodeID{"n1"}) {
			t.Fatalf("%+v, %v", p.Unvouched, err)
		}
		h.refused(RecoverMap{Judged: p.Judged}, ErrOnlyCopy)
		h.ok(AcceptStart{Node: "n1", Store: node(1).Store, Start: r.Node.Start(), Accepted: r.Accepted})
		h.refused(RecoverMap{Judged: p.Judged}, ErrStale)
		h.apply(r) // it asks again, and says nothing new
		h.recoverMap()
		h.is("1048578 n1 [n1] [n2 n3] [n2 n3] []")
	})
	t.Run("waits for the operator, however often it asks", func(t *testing.T) {
		t.Parallel()
		h, later := behind(t, 1)
		r := elsewhere(later, 1, firstStart(1))
		r.Accepted = partition.Start{Incarnation: 6, ID: 66} // after the backup
		r.Node.Incarnation, r.Node.StartID = 7, 77
		for range 3 {
			h.refused(r, ErrMapBehind)
		}
		h.ok(AcceptStart{Node: "n1", Store: node(1).Store, Start: r.Node.Start(), Accepted: r.Accepted})
		h.refused(r, ErrMapBehind)
		h.recoverMap()
		h.is("1048578 n1 [n1] [n2 n3] [n2 n3] []")
	})
	t.Run("waits, and another directory is chosen", func(t *testing.T) {
		t.Parallel()
		h, later := behind(t, 1)
		wrong := elsewhere(later, 1, firstStart(1))
		h.apply(wrong)
		right := reports(later, 1, true)
		right.Accepted = partition.Start{Incarnation: 1, ID: 4242}
		right.Node.StartID += 7
		h.refused(right, ErrTwoHistories)
		h.ok(AcceptStart{Node: "n1", Store: node(1).Store, Start: right.Node.Start(), Accepted: right.Accepted})
		if p, err := h.m.PlanRecovery(nil); err != nil || !slices.Equal(p.Unvouched, []partition.NodeID{"n1"}) {
			t.Errorf("the operator's word counts for another directory: %+v, %v", p.Unvouched, err)
		}
	})
	t.Run("is given up", func(t *testing.T) {
		t.Parallel()
		h, later := behind(t, 1)
		h.apply(elsewhere(later, 1, firstStart(1)))
		h.recoverMap("n1")
		h.is("1048578  [] [n2 n3] [n2 n3] [n1]")
	})
	t.Run("than an earlier report came from", func(t *testing.T) {
		t.Parallel()
		h, later := behind(t, 1)
		h.apply(reports(later, 1, false))
		again := elsewhere(later, 1, firstStart(1))
		h.apply(again)
		back := again
		back.Since = append(slices.Clone(back.Since), again.Node.Start())
		back.Node.Incarnation, back.Node.StartID = 9, 99 // started once more there
		h.apply(back)
		if p, err := h.m.PlanRecovery(nil); err != nil || !slices.Equal(p.Unvouched, []partition.NodeID{"n1"}) {
			t.Errorf("%+v, %v", p.Unvouched, err)
		}
	})
	t.Run("eligible alone", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n1", 1, 2))
		h.ok(h.change("n1", 1)) // n2 is eligible
		later := h.restore()
		r := elsewhere(later, 2, firstStart(2))
		h.apply(r)
		h.apply(reports(later, 3, false))
		p, err := h.m.PlanRecovery([]partition.NodeID{"n1"})
		if err != nil || !slices.Equal(p.Unvouched, []partition.NodeID{"n2"}) {
			t.Fatalf("%+v, %v", p.Unvouched, err)
		}
		h.ok(AcceptStart{Node: "n2", Store: node(2).Store, Start: r.Node.Start(), Accepted: r.Accepted})
		h.recoverMap("n1")
		h.ok(h.recover("n2"))
	})
}

// An empty directory at another address does not take a node's place because the
// map is behind, and the process that the map names is refused for good by nobody.
func TestAStrangerDoesNotReportInANodesPlace(t *testing.T) {
	t.Parallel()
	behind := func(t *testing.T) (*history, *partition.Map) {
		h := backedUp(three(t, 3))
		h.ok(h.change("n1", 1))
		later := h.restore()
		h.apply(reports(later, 2, false))
		h.apply(reports(later, 3, false))
		return h, later
	}
	stranger := Register{Node: node(1)}
	stranger.Node.Store, stranger.Node.StartID, stranger.Node.PeerAddr = 500, 5, "b:1"
	t.Run("an empty one", func(t *testing.T) {
		t.Parallel()
		h, later := behind(t)
		h.refused(stranger, ErrElsewhere)
		h.refused(reports(later, 1, false), ErrMapBehind)
		h.recoverMap()
		h.is("1048578 n1 [n1] [n2 n3] [n2 n3] []")
	})
	t.Run("one that was accepted since", func(t *testing.T) {
		t.Parallel()
		h, later := behind(t)
		r := stranger
		r.Accepted = firstStart(9)
		h.refused(r, ErrMapBehind)
		h.refused(reports(later, 1, false), ErrMapBehind)
		if b := h.m.Behind(); b.Reports[0].Node.Store != 500 {
			t.Errorf("%+v", b.Reports[0])
		}
	})
}

// A node that moves twice while the map is behind reports from where it runs: it is
// judged against its last report, not against the map.
func TestANodeMayMoveMoreThanOnceWhileTheMapIsBehind(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 3))
	h.ok(h.boot(1))
	later := h.restore()
	runs := reports(later, 1, false) // start 2
	runs.Accepted = firstStart(1)
	h.refused(runs, ErrMapBehind)
	for i, addr := range []string{"b:1", "c:1"} {
		r := reports(later, 1, true)
		r.Node.PeerAddr, r.Node.Incarnation, r.Node.StartID = addr, uint64(7+i), partition.StartID(70+i)
		h.refused(r, ErrMayRun) // the earlier one was not found silent yet
		b := h.m.Behind()
		against, _ := b.Running(h.m.Map(), &r.Node).Node("n1")
		r.Silent = against.Start()
		h.refused(r, ErrMapBehind)
		if b = h.m.Behind(); b.Reports[0].Node.PeerAddr != addr {
			t.Fatalf("reported: %+v", b.Reports[0])
		}
	}
	named, _ := h.m.Map().Node("n1")
	if b := h.m.Behind(); b.Running(h.m.Map(), named) != h.m.Map() {
		t.Error("the process that the map names is judged against another")
	}
}

// Two histories of a directory, found while the map is behind: the operator chooses
// then too, and need not give the disk up.
func TestAHistoryIsChosenWhileTheMapIsBehind(t *testing.T) {
	t.Parallel()
	disputed := func(t *testing.T, inSync ...int) (h *history, chosen Register) {
		h = backedUp(three(t, 3))
		h.ok(h.change("n1", inSync...))
		later := h.restore()
		h.apply(reports(later, 2, false))
		h.apply(reports(later, 3, false))
		r := reports(later, 1, true)
		r.Accepted = partition.Start{Incarnation: 1, ID: 4242} // the map's counter, another number
		result := h.apply(r)
		if !errors.Is(result.Err, ErrTwoHistories) {
			t.Fatal(result.Err)
		}
		if p, err := h.m.PlanRecovery(nil); err != nil || !slices.Equal(p.Missing, []partition.NodeID{"n1"}) {
			t.Fatalf("missing %v, %v", p.Missing, err)
		}
		h.ok(AcceptStart{Node: "n1", Store: node(1).Store, Start: r.Node.Start(), Accepted: r.Accepted})
		h.refused(r, ErrTwoHistories) // it must start once more
		r.Since = []partition.Start{r.Node.Start()}
		r.Node.Incarnation, r.Node.StartID = result.Above+1, 99
		h.refused(r, ErrMapBehind)
		return h, r
	}
	t.Run("the only copy", func(t *testing.T) {
		t.Parallel()
		h, chosen := disputed(t, 1)
		h.refused(chosen, ErrMapBehind)
		h.recoverMap()
		h.is("1048578 n1 [n1] [n2 n3] [n2 n3] []")
		h.ok(chosen)
	})
	t.Run("beside another", func(t *testing.T) {
		t.Parallel()
		h, _ := disputed(t, 1, 2)
		h.recoverMap()
		h.is("1048578 n2 [n2] [n1 n3] [] []")
	})
}
