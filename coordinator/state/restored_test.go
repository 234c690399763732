package state

import (
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// Nodes that would show that the map is old may be silent. Coordinators that are told
// that they were restored decide nothing without them.
func TestCoordinatorsThatAreToldDecideNothing(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 4))
	from := h.index
	h.ok(h.change("n1", 1, 2)) // n3 does not know
	later := h.restore()
	h.index = from
	h.ok(NoteRestored{Last: from})
	alone := Fail{Node: "n1", Incarnation: 1, Changes: []partition.Change{{Partition: 0, Epoch: 1, Primary: "n3", Replicas: replicas(3)}}}
	h.refused(alone, ErrMapBehind)
	for _, i := range []int{2, 3, 4} {
		h.apply(reports(later, i, false))
	}
	p, err := h.m.PlanRecovery(nil)
	if err != nil || len(p.Missing) != 1 || p.Missing[0] != "n1" {
		t.Fatalf("missing %v, %v; want n1, which is silent", p.Missing, err)
	}
	h.refused(RecoverMap{Judged: p.Judged}, ErrNotReported)
	h.apply(reports(later, 1, false))
	h.recoverMap()
	if c := h.at(0); c.Primary != "n1" || c.InSync("n3") || c.Epoch <= 2 {
		t.Errorf("it goes on with %+v", c)
	}
}

// Each coordinator's directory is marked. The marks are read one after the other, some
// after the map was recovered.
func TestARestorationIsNotedOnce(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 3))
	from := h.index
	h.ok(NoteRestored{Last: from})
	since := h.m.Behind().Since
	h.ok(NoteRestored{Last: from - 1})
	if b := h.m.Behind(); since == 0 || b.Since != since {
		t.Fatalf("behind since command %d, then %d", since, b.Since)
	}
	for i := range 3 {
		h.apply(reports(h.m.Map(), i+1, false))
	}
	m, err := Restore(h.m.Snapshot())
	if err != nil {
		t.Fatal(err)
	}
	h.m = m
	h.ok(NoteRestored{Last: from})
	h.recoverMap()
	h.ok(NoteRestored{Last: from})
	if b := h.m.Behind(); b.Since != 0 {
		t.Fatalf("a mark of before froze the map again: %+v", b)
	}

	// What was put back next has the first restoration in it.
	h.ok(NoteRestored{Last: h.index})
	if h.m.Behind().Since == 0 {
		t.Fatal("the next restoration is not noted")
	}
}

// The backup may be of a time when the map was behind already: what was reported then
// says nothing of what nodes have adopted since.
func TestReportsFromBeforeTheRestorationDoNotCount(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(NoteRestored{Last: c.index})
	for i := range 3 {
		c.apply(reports(c.m.Map(), i+1, false))
	}
	h := backedUp(c)
	h.recoverMap()
	later := h.restore()
	h.ok(NoteRestored{Last: h.index})
	p, err := h.m.PlanRecovery(nil)
	if err != nil || len(p.Missing) != 3 {
		t.Fatalf("missing %v, %v; want all three", p.Missing, err)
	}
	for i := range 3 {
		h.apply(reports(later, i+1, false))
	}
	h.recoverMap()
	if got, was := h.at(0).Epoch, later.Partitions[0].Epoch; got <= was {
		t.Errorf("epoch %d after %d", got, was)
	}
}
