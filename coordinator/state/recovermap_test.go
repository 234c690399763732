package state

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// history goes on from a backup of a cluster, which is then put back.
type history struct {
	*cluster
	backup []byte
}

// backedUp is a cluster of which a backup is made now.
func backedUp(c *cluster) *history { return &history{cluster: c, backup: c.m.Snapshot()} }

// restore puts the backup back, and returns what the cluster had come to.
func (h *history) restore() *partition.Map {
	h.t.Helper()
	later := h.m.Map()
	m, err := Restore(h.backup)
	if err != nil {
		h.t.Fatal(err)
	}
	h.m = m
	return later
}

// reports is the registration of a node that has adopted what that map says, as
// far as it lists the node. It runs on, or has been started again.
func reports(m *partition.Map, i int, again bool) Register {
	known, _ := m.Node(node(i).ID)
	n := *known
	r := Register{Map: m.Stamp()}
	if again {
		r.Accepted = n.Start()
		n.Incarnation++
		n.StartID += 7
		r.Map = partition.Stamp{}
	}
	r.Node = n
	for k := range m.Partitions {
		c := m.Partitions[k]
		if c.InSync(n.ID) || c.IsLearner(n.ID) {
			r.Copies = append(r.Copies, Copy{Partition: c.ID, Epoch: c.Epoch, Lineage: c.Lineage, Configuration: &c})
		}
	}
	return r
}

// recoverMap goes on from the reports, with these nodes lost.
func (c *cluster) recoverMap(lost ...partition.NodeID) MapRecovery {
	c.t.Helper()
	p, err := c.m.PlanRecovery(lost)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ok(RecoverMap{Judged: p.Judged, Lost: lost})
	if b := c.m.Behind(); b.Since != 0 {
		c.t.Fatalf("after recover-map the map is behind still: %+v", b)
	}
	return p
}

// Coordinators that were restored from an old backup must not decide anything on
// what is out of date: whatever partition it is about.
func TestTheMapIsFrozenWhileItIsBehind(t *testing.T) {
	t.Parallel()
	for name, show := range map[string]func(h *history, later *partition.Map) Command{
		"a disk has adopted a higher epoch": func(_ *history, later *partition.Map) Command { return reports(later, 2, true) },
		"a process has seen a later map":    func(_ *history, later *partition.Map) Command { return reports(later, 4, false) },
		"a follower has seen a later map":   func(_ *history, later *partition.Map) Command { return NoteBehind{Map: later.Stamp()} },
		"another configuration of the same epoch": func(h *history, later *partition.Map) Command {
			h.ok(h.change("n1", 1, 2))
			return reports(later, 2, true)
		},
		"a copy that nobody knows of without a map": func(_ *history, later *partition.Map) Command { return reports(later, 1, true) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := backedUp(three(t, 4))
			h.ok(h.change("n2", 2, 3))
			later := h.restore()
			if name == "a copy that nobody knows of without a map" {
				fresh := newCluster(t, later.Settings, 3)
				h.m, h.index = fresh.m, fresh.index
			}
			before := h.m.Map()
			shows := show(h, later)
			if name == "another configuration of the same epoch" {
				before = h.m.Map()
			}
			if r := h.apply(shows); r.Err != nil && !errors.Is(r.Err, ErrMapBehind) {
				t.Fatal(r.Err)
			}
			if h.m.Behind().Since == 0 {
				t.Fatal("the map is not known to be behind")
			}
			if before.Placed() {
				h.refused(h.change("n1", 1, 2), ErrMapBehind)
				h.refused(Begin{Version: before.Version, Moves: []partition.Move{{Partition: 0, To: "n4"}}}, ErrMapBehind)
				h.refused(Recover{Partition: 0, Node: "n2", Epoch: 1}, ErrMapBehind)
				h.refused(UnsafeRecover{Partition: 0, Node: "n2", Epoch: 1, Lineage: 8}, ErrMapBehind)
				h.refused(wiped(h.cluster, 2), ErrMapBehind)
				h.refused(h.boot(1), ErrMapBehind)
			} else {
				h.refused(Place{Configurations: later.Partitions}, ErrMapBehind)
			}
			if err := h.apply(reports(later, 3, true)).Err; !errors.Is(err, ErrMapBehind) || !strings.Contains(err.Error(), "recover-map") {
				t.Errorf("a node that registers hears %v", err)
			}
			if h.m.Map() != before {
				t.Error("the map has changed")
			}
		})
	}
}

func TestRecoverMapTakesWhatWasAdopted(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 4))
	h.ok(h.change("n2", 2, 3)) // n1 is removed, and writes go on without it
	later := h.restore()
	h.apply(reports(later, 2, true))
	h.refused(RecoverMap{Judged: h.m.Behind().Changed}, ErrNotReported)
	for _, i := range []int{1, 3, 4} {
		h.apply(reports(later, i, false))
	}
	p := h.recoverMap()
	h.is("1048578 n2 [n2 n3] [n1] [] []")
	if at := h.at(0); at.Lineage != 7 || h.m.Map().Version <= later.Version || p.Partitions[0].MayLose != "" {
		t.Errorf("version %d, %+v, %+v", h.m.Map().Version, at, p.Partitions[0])
	}
	if n, _ := h.m.Map().Node("n2"); n.Incarnation != 2 {
		t.Errorf("n2 registered again before the map was recovered, and is %+v", n)
	}
	h.refused(RecoverMap{Judged: p.Judged}, ErrNotBehind)
	h.ok(h.change("n2", 1, 2, 3))
}

// A configuration that only a coordinator's map has, in a later epoch than was
// adopted anywhere, is in force: what is adopted comes after it, not before.
func TestRecoverMapKeepsAMapThatIsNotBehindInAPartition(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	early := c.m.Map()
	c.ok(c.change("n1", 1, 2))
	c.ok(NoteBehind{Map: partition.Stamp{Version: 99}})
	for i := range 3 {
		c.apply(reports(early, i+1, false))
	}
	c.recoverMap()
	c.is("1048578 n1 [n1 n2] [n3] [] []")
	if v := c.m.Map().Version; v <= 99 {
		t.Errorf("version %d, and somebody has seen 99", v)
	}
}

func TestRecoverMapWithALostDisk(t *testing.T) {
	t.Parallel()
	t.Run("of one in sync", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n2", 2, 3))
		later := h.restore()
		h.apply(reports(later, 1, true))
		h.apply(reports(later, 3, true))
		if p, err := h.m.PlanRecovery(nil); err != nil || !slices.Equal(p.Missing, []partition.NodeID{"n2"}) {
			t.Fatalf("missing %v, %v", p.Missing, err)
		}
		h.refused(RecoverMap{Judged: h.m.Behind().Changed}, ErrNotReported)
		if p := h.recoverMap("n2"); p.Partitions[0].MayLose != "" {
			t.Errorf("%+v", p.Partitions[0])
		}
		h.is("1048578 n3 [n3] [n1] [] []")
	})
	t.Run("of all in sync", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n2", 2, 3))
		later := h.restore()
		h.apply(reports(later, 1, true))
		if p := h.recoverMap("n2", "n3"); !strings.Contains(p.Partitions[0].MayLose, "unsafe-recover") {
			t.Errorf("%+v", p.Partitions[0])
		}
		h.is("1048578  [] [n1] [] [n2 n3]") // n1 is never promoted by this
		h.ok(h.unsafely("n1", 8))
	})
	t.Run("eligible ones are left", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n3", 3)) // below min-in-sync
		later := h.restore()
		h.apply(reports(later, 1, true))
		h.apply(reports(later, 2, true))
		h.recoverMap("n3")
		h.is("1048578  [] [n1 n2] [n1 n2] [n3]")
		h.ok(h.recover("n1"))
	})
	t.Run("its node has an empty one by now", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n2", 2, 3))
		later := h.restore()
		h.apply(reports(later, 1, true))
		h.apply(reports(later, 3, true))
		empty := reports(later, 2, false)
		empty.Node.Store, empty.Node.Incarnation, empty.Copies, empty.Map = 500, 1, nil, partition.Stamp{}
		empty.Accepted = partition.Start{}
		h.apply(empty)
		h.recoverMap()
		h.is("1048578 n3 [n3] [n1 n2] [] []")
		if r, _ := partition.Find(h.at(0).Learners, "n2"); r.Store != 500 {
			t.Errorf("n2 learns on store %v", r.Store)
		}
	})
	t.Run("its report does not count", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n2", 2))
		stranger := h.m.Map() // of another history, say of a test with copies of the disks
		h.restore()
		h.apply(reports(stranger, 2, true))
		for _, i := range []int{1, 3} {
			h.apply(reports(h.m.Map(), i, false))
		}
		h.recoverMap("n2")
		h.is("1048578 n1 [n1 n3] [] [] []") // in an epoch above what n2 has
	})
}

// A node that was added after the backup, or was started again since, is in the
// map as it runs.
func TestRecoverMapTakesNodesAsTheyReport(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 3))
	h.ok(Register{Node: node(4)})
	h.ok(Begin{Version: h.m.Map().Version, Moves: []partition.Move{{Partition: 0, From: "n3", To: "n4"}}})
	h.ok(h.change("n1", 1, 2, 3, 4))
	h.ok(h.change("n1", 1, 2, 4)) // the move ends with it
	later := h.restore()
	for i := range 3 {
		h.apply(reports(later, i+1, true))
	}
	if p, err := h.m.PlanRecovery(nil); err != nil || !slices.Equal(p.Missing, []partition.NodeID{"n4"}) {
		t.Fatalf("missing %v, %v: what was adopted names n4", p.Missing, err)
	}
	h.apply(reports(later, 4, true))
	h.recoverMap()
	h.is("1048580 n1 [n1 n2 n4] [] [] []")
	for i := range 4 {
		if n, known := h.m.Map().Node(node(i + 1).ID); !known || n.Incarnation != 2 || n.Duty != partition.Full {
			t.Errorf("%+v", n)
		}
	}
}

func TestRecoverMapDropsMoves(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 4))
	h.ok(Begin{Version: h.m.Map().Version, Moves: []partition.Move{{Partition: 0, From: "n3", To: "n4"}}})
	later := h.restore()
	for i := range 4 {
		h.apply(reports(later, i+1, false))
	}
	h.recoverMap()
	h.is("1048578 n1 [n1 n2 n3] [] [] []")
	if moves := h.m.Map().Moves; len(moves) > 0 {
		t.Errorf("moves %v", moves)
	}
}

// The command is a compare-and-set against the reports that it was judged from.
func TestRecoverMapOfOtherReportsIsRefused(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 3))
	h.ok(h.change("n2", 2, 3))
	later := h.restore()
	for _, i := range []int{1, 2} {
		h.apply(reports(later, i, true))
	}
	p, err := h.m.PlanRecovery([]partition.NodeID{"n3"})
	if err != nil {
		t.Fatal(err)
	}
	h.apply(reports(later, 2, true)) // says nothing new
	if now := h.m.Behind().Changed; now != p.Judged {
		t.Errorf("a repeated report counts as another: %d, %d", p.Judged, now)
	}
	h.apply(reports(later, 3, true))
	h.refused(RecoverMap{Judged: p.Judged, Lost: []partition.NodeID{"n3"}}, ErrStale)
	h.recoverMap()
	h.is("1048578 n2 [n2 n3] [n1] [] []")
}

// A learner that has adopted the highest configuration too stays one.
func TestRecoverMapKeepsLearnersLearners(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 3))
	h.ok(h.change("n2", 2, 3))
	later := h.restore()
	for i := range 3 {
		h.apply(reports(later, i+1, true))
	}
	h.recoverMap()
	h.is("1048578 n2 [n2 n3] [n1] [] []")
}

// Coordinators restored from before the first placement take it from the nodes.
func TestRecoverMapBeforePlacement(t *testing.T) {
	t.Parallel()
	settings := partition.Settings{Partitions: 2, ReplicationFactor: 1, MinInSync: 1, ExpectNodes: 2}
	placed := []partition.Configuration{
		{ID: 0, Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1)},
		{ID: 1, Epoch: 1, Lineage: 8, Primary: "n2", Replicas: replicas(2)},
	}
	h := backedUp(newCluster(t, settings, 2))
	h.ok(Place{Configurations: placed})
	later := h.restore()
	h.apply(reports(later, 1, false))
	if _, err := h.m.PlanRecovery(nil); !errors.Is(err, ErrNoCopy) {
		t.Errorf("without a report of partition-1: %v", err)
	}
	h.apply(reports(later, 2, false))
	h.recoverMap()
	h.is("1048577 n1 [n1] [] [] []")
	if at := h.at(1); at.Primary != "n2" || at.Lineage != 8 {
		t.Errorf("%+v", at)
	}
}
