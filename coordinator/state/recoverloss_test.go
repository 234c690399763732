package state

import (
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// Replicas that the rest never heard of may have acknowledged writes alone. So
// all disks that are given up count, in whatever role a node knew them.
func TestRecoverMapSaysWhatTheLostMayHaveAcknowledged(t *testing.T) {
	t.Parallel()
	moved := func(t *testing.T, begin bool) (h *history, seen *partition.Map) {
		h = backedUp(three(t, 4))
		begins := h.begin(partition.Move{To: "n4"})
		if begin {
			h.ok(begins)
		}
		seen = h.m.Map() // n2 and n3 never adopt anything later
		h.ok(h.change("n1", 1))
		if !begin {
			begins.Version = h.m.Map().Version
			h.ok(begins)
		}
		h.ok(h.change("n1", 1, 4)) // n1 and n4 acknowledge writes
		h.restore()
		return h, seen
	}
	for name, begun := range map[string]bool{"as a learner that they knew": true, "on a node that they did not know": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, seen := moved(t, begun)
			h.ok(NoteBehind{Map: partition.Stamp{Version: 99}})
			h.apply(reports(seen, 2, true))
			h.apply(reports(seen, 3, true))
			if p := h.recoverMap("n1", "n4"); !strings.Contains(p.Partitions[0].MayLose, "acknowledged") {
				t.Errorf("%+v", p.Partitions[0])
			}
		})
	}
	t.Run("a disk that was replaced counts too", func(t *testing.T) {
		t.Parallel()
		h, seen := moved(t, true)
		h.apply(reports(seen, 2, true))
		h.apply(reports(seen, 3, true))
		empty := Register{Node: node(4)}
		empty.Node.Store = 500
		h.apply(empty)
		if p := h.recoverMap("n1"); !strings.Contains(p.Partitions[0].MayLose, "acknowledged") {
			t.Errorf("%+v", p.Partitions[0])
		}
	})
	t.Run("nothing, while all that are in sync have reported", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 5))
		later := h.restore()
		h.ok(NoteBehind{Map: partition.Stamp{Version: 99}})
		for i := range 3 {
			h.apply(reports(later, i+1, false))
		}
		if p := h.recoverMap("n4", "n5"); p.Partitions[0].MayLose != "" {
			t.Errorf("%+v", p.Partitions[0])
		}
	})
}

// Recover loses nothing. Where that cannot be said, only UnsafeRecover promotes.
func TestRecoverMapLeavesNoCopyEligibleThatMayLackWrites(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 4))
	h.ok(h.begin(partition.Move{To: "n4"}))
	h.ok(h.change("n1", 1)) // below min-in-sync: n2 and n3 are eligible
	seen := h.m.Map()
	h.ok(h.change("n1", 1, 4)) // and again they are not
	h.restore()
	h.apply(reports(seen, 2, true))
	h.apply(reports(seen, 3, true))
	if p := h.recoverMap("n1", "n4"); !strings.Contains(p.Partitions[0].MayLose, "unsafe-recover") {
		t.Errorf("%+v", p.Partitions[0])
	}
	h.refused(h.recover("n2"), ErrNotEligible)
	h.ok(h.unsafely("n2", 8))
}

// The coordinators and one node's directory were restored from the same night's
// backup. The map's starts went back too, so they do not show it.
func TestRecoverMapOfADirectoryThatWentBackToo(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 3))
	old := h.m.Map()
	h.ok(h.boot(1))
	h.ok(h.change("n2", 1, 2, 3))
	later := h.restore()
	h.apply(reports(later, 2, false))
	h.apply(reports(later, 3, false))
	h.apply(reports(old, 1, true))
	h.recoverMap()
	h.is("1048579 n2 [n2 n3] [n1] [] []")
}
