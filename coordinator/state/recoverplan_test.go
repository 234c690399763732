package state

import (
	"strings"
	"testing"
)

// Two histories have given the same epoch. What all its in-sync replicas have
// adopted counts, for nothing is acknowledged before that.
func TestRecoverMapOfTwoConfigurationsOfOneEpoch(t *testing.T) {
	t.Parallel()
	t.Run("one was in force", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n2", 2, 3))
		later := h.restore()
		h.ok(h.boot(1)) // raises the epoch too, before anybody shows that the map is behind
		mine := h.m.Map()
		h.apply(reports(mine, 1, false))
		h.apply(reports(later, 2, true))
		h.apply(reports(later, 3, true))
		h.apply(reports(mine, 1, false))
		h.recoverMap()
		h.is("1048578 n2 [n2 n3] [n1] [] []")
	})
	t.Run("both were", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n2", 2))
		later := h.restore()
		h.ok(h.change("n1", 1))
		mine := h.m.Map()
		h.apply(reports(later, 2, true))
		h.apply(reports(mine, 1, false))
		h.apply(reports(later, 3, true))
		if p := h.recoverMap(); !strings.Contains(p.Partitions[0].MayLose, "two histories") {
			t.Errorf("%+v", p.Partitions[0])
		}
		if at := h.at(0); at.Primary != "" || len(at.Replicas) > 0 || len(at.Learners) != 3 {
			t.Errorf("%+v", at)
		}
	})
}

// A copy that was lost after the backup, and begun anew as a learner before anybody
// showed that the map is behind, has nothing of what the lost history counted on.
func TestRecoverMapOfACopyThatWasBegunAnew(t *testing.T) {
	t.Parallel()
	h := backedUp(three(t, 3))
	h.ok(h.change("n2", 2, 3))
	later := h.restore()
	damaged := reports(h.m.Map(), 2, true)
	damaged.Copies = []Copy{{Partition: 0}}
	h.apply(damaged)
	h.is("2 n1 [n1 n3] [n2] [] []")
	mine := h.m.Map()
	h.apply(reports(later, 3, true))
	h.apply(reports(later, 1, false))
	h.apply(reports(mine, 2, false))
	h.recoverMap()
	h.is("1048578 n3 [n3] [n1 n2] [] []")
}
