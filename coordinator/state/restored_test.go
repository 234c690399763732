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
	h.ok(NoteRestored{Last: LogPosition{1, from}, Term: 2})
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
	h.ok(NoteRestored{Last: LogPosition{3, from}, Term: 5})
	since := h.m.Behind().Since
	h.ok(NoteRestored{Last: LogPosition{3, from - 1}, Term: 5})
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
	h.ok(NoteRestored{Last: LogPosition{3, from}, Term: 5})
	h.recoverMap()
	// One directory had more entries than the others, which were never committed.
	h.ok(NoteRestored{Last: LogPosition{4, from + 100}, Term: 6})
	if b := h.m.Behind(); b.Since != 0 {
		t.Fatalf("a mark of before froze the map again: %+v", b)
	}

	// What was put back next has the first restoration in it.
	h.ok(NoteRestored{Last: LogPosition{5, h.index}, Term: 6})
	if h.m.Behind().Since == 0 {
		t.Fatal("the next restoration is not noted")
	}
}

// What nodes have reported in the time of the backup says nothing of what they have
// adopted since. The highest version that anybody has seen is still one.
func TestReportsFromBeforeTheRestorationDoNotCount(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(NoteRestored{Last: LogPosition{1, c.index}, Term: 2})
	c.ok(NoteBehind{Map: partition.Stamp{Version: 1 << 30, History: 5}})
	for i := range 3 {
		c.apply(reports(c.m.Map(), i+1, false))
	}
	h := backedUp(c)
	h.recoverMap()
	later := h.restore()
	h.ok(NoteRestored{Last: LogPosition{2, h.index}, Term: 3})
	p, err := h.m.PlanRecovery(nil)
	if err != nil || len(p.Missing) != 3 || p.Version <= 1<<30 {
		t.Fatalf("missing %v at version %d, %v; want all three", p.Missing, p.Version, err)
	}
	for i := range 3 {
		h.apply(reports(later, i+1, false))
	}
	h.recoverMap()
	if got, was := h.at(0).Epoch, later.Partitions[0].Epoch; got <= was {
		t.Errorf("epoch %d after %d", got, was)
	}
}
