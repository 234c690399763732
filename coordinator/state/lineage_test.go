package state

import (
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// overtaken is a cluster that was restored from a backup, and whose version has come
// to that of the map which its nodes have of the history that is gone. There n3 left
// the in-sync set; here it never did.
func overtaken(t *testing.T) (*history, *partition.Map) {
	t.Helper()
	h := backedUp(three(t, 4))
	from := h.index
	h.ok(h.change("n1", 1, 2))
	later := h.restore()
	h.index = from
	for h.m.Map().Version < later.Version {
		h.ok(h.boot(4)) // it has no copy, and shows nothing
	}
	if h.m.Behind().Since != 0 || h.m.Map().Version != later.Version {
		t.Fatalf("version %d, nodes have %d; %+v", h.m.Map().Version, later.Version, h.m.Behind())
	}
	return h, later
}

// A version says nothing of coordinators that were restored: they give it again.
func TestAnOlderHistoryIsNoticedWhateverTheVersions(t *testing.T) {
	t.Parallel()
	for name, show := range map[string]func(later *partition.Map) Command{
		"a node acts on that map": func(later *partition.Map) Command { return NoteBehind{Map: later.Stamp()} },
		"a process has that map":  func(later *partition.Map) Command { return Register{Node: node(5), Map: later.Stamp()} },
		"a node registers again":  func(later *partition.Map) Command { return reports(later, 3, false) },
	} {
		for _, above := range []int{0, 3} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				h, later := overtaken(t)
				for range above {
					h.ok(h.boot(4))
				}
				if d := h.m.Descent(h.m.Map().Stamp()); d != Known {
					t.Errorf("the present map: %d", d)
				}
				if d := h.m.Descent(later.Stamp()); d != Foreign {
					t.Errorf("the map of the history that is gone: %d", d)
				}
				h.apply(show(later))
				if b := h.m.Behind(); b.Since == 0 || b.Version < later.Version {
					t.Fatalf("not noticed: %+v", b)
				}
				h.refused(Fail{Node: "n1", Incarnation: 1, Changes: []partition.Change{
					{Partition: 0, Epoch: h.at(0).Epoch, Primary: "n3", Replicas: replicas(3)},
				}}, ErrMapBehind)
			})
		}
	}
}

// What the map was and how it came about is kept over a restart of the coordinators,
// and a map of before is told from one of another history.
func TestMapsOfThisHistoryAreKnown(t *testing.T) {
	t.Parallel()
	h, later := overtaken(t)
	var own []partition.Stamp
	for range 5 {
		own = append(own, h.m.Map().Stamp())
		h.ok(h.boot(4))
		m, err := Restore(h.m.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		h.m = m
	}
	for _, s := range append(own, partition.Stamp{}, h.m.Map().Stamp()) {
		if d := h.m.Descent(s); d != Known {
			t.Errorf("%+v: %d", s, d)
		}
	}
	next := h.m.Map().Stamp()
	next.Version++
	if d := h.m.Descent(next); d != Later {
		t.Errorf("a later map: %d", d)
	}
	if d := h.m.Descent(later.Stamp()); d != Foreign {
		t.Errorf("a map of the history that is gone: %d", d)
	}
	h.apply(reports(later, 1, false))
	h.apply(reports(later, 2, false))
	h.apply(reports(later, 3, false))
	h.apply(reports(h.m.Map(), 4, false))
	h.recoverMap()
	// Nodes have the map of the history that is gone until they get the next.
	h.ok(NoteBehind{Map: later.Stamp()})
	if b := h.m.Behind(); b.Since != 0 || h.m.Descent(later.Stamp()) != Known {
		t.Errorf("recovered, and behind again: %+v", b)
	}
}

// A machine that carries out other commands has another history, though its maps have
// the same contents.
func TestEveryCommandIsPartOfTheHistory(t *testing.T) {
	t.Parallel()
	a, b := three(t, 4), three(t, 4)
	if a.m.Map().Stamp() != b.m.Map().Stamp() {
		t.Fatal("the same commands give two histories")
	}
	a.ok(Confirm{Nodes: replicas(1)})
	b.ok(Confirm{Nodes: replicas(2)})
	a.ok(a.boot(4))
	b.ok(b.boot(4))
	if x, y := a.m.Map().Stamp(), b.m.Map().Stamp(); x.Version != y.Version || x.History == y.History {
		t.Errorf("%+v and %+v", x, y)
	}
}

func TestTheStampsRememberedAreBounded(t *testing.T) {
	t.Parallel()
	c := three(t, 4)
	first := c.m.Map().Stamp()
	for range 3 * maxRecent {
		c.ok(c.boot(4))
		if n := len(c.m.memory.lineage.recent); n > maxRecent {
			t.Fatalf("%d stamps", n)
		}
	}
	if d := c.m.Descent(first); d != Known {
		t.Errorf("a map older than all that are remembered: %d", d)
	}
	half := c.m.Map().Stamp()
	half.Version -= maxRecent / 4
	half.History++
	if d := c.m.Descent(half); d != Foreign {
		t.Errorf("an unknown map of a version that is remembered: %d", d)
	}
}

// Processes that start know no map. What they have adopted shows another history also
// where the coordinators have given its epochs again since.
func TestAnAdoptedConfigurationOfAnotherHistoryIsNoticed(t *testing.T) {
	t.Parallel()
	for boots := range maxGiven - 2 {
		h := backedUp(three(t, 4))
		h.ok(h.change("n1", 1, 2)) // n1 and n2 acknowledge in epoch 2
		later := h.restore()
		for range boots {
			h.ok(h.boot(3)) // each gives an epoch
		}
		m, err := Restore(h.m.Snapshot())
		if err != nil {
			t.Fatal(err)
		}
		h.m = m
		h.apply(reports(later, 1, true))
		if h.m.Behind().Since == 0 {
			t.Errorf("not noticed in epoch %d: %+v", h.at(0).Epoch, h.at(0))
		}
	}
	// What this history gave shows nothing, however late it comes.
	c := three(t, 4)
	old := c.m.Map()
	for range 2 * maxGiven {
		c.ok(c.boot(3))
		c.apply(NoteBehind{Map: old.Stamp()})
		r := reports(old, 1, true)
		r.Node.Incarnation, r.Accepted = 1+c.m.Map().Nodes[0].Incarnation, c.m.Map().Nodes[0].Start()
		c.apply(r)
		if b := c.m.Behind(); b.Since != 0 {
			t.Fatalf("behind: %+v", b)
		}
	}
}
