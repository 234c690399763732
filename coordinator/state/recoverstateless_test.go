package state

import (
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// A program that keeps nothing on a disk has its replicas while it runs: those of
// the newest map that it acts on.
func TestRecoverMapOfProgramsWithoutDisks(t *testing.T) {
	t.Parallel()
	t.Run("started again", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		later := h.restore()
		h.ok(NoteBehind{Map: partition.Stamp{Version: 99}})
		for _, i := range []int{1, 2} {
			r := reports(later, i, false)
			r.Stateless = true
			h.apply(r)
		}
		again := Register{Node: node(3), Stateless: true}
		again.Node.Store = 500
		h.apply(again)
		h.recoverMap()
		h.is("1048577 n1 [n1 n2] [n3] [] []")
	})
	t.Run("removed since the backup", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n2", 2, 3)) // writes go on without n1
		later := h.restore()
		for i := range 3 {
			r := reports(later, i+1, false)
			r.Stateless = true
			h.apply(r)
		}
		h.recoverMap()
		h.is("1048578 n2 [n2 n3] [n1] [] []")
	})
	t.Run("of which none says what it acts on", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		for i := range 3 {
			h.apply(Register{Node: node(i + 1), Stateless: true, Map: partition.Stamp{Version: 99}})
		}
		if p := h.recoverMap(); !strings.Contains(p.Partitions[0].MayLose, "unsafe-recover") {
			t.Errorf("%+v", p.Partitions[0])
		}
		h.is("1048577  [] [n1 n2 n3] [] [n1 n2 n3]")
	})
}
