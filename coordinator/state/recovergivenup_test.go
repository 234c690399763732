package state

import (
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// What a recovery went on without does not freeze the map again when it returns.
func TestANodeThatWasGivenUpFreezesNothing(t *testing.T) {
	t.Parallel()
	returns := func(later *partition.Map, i int) Register {
		r := reports(later, i, true)
		r.AcceptedIn = later.Version
		return r
	}
	t.Run("named lost", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 4))
		h.ok(h.boot(3)) // accepted after the backup
		later := h.restore()
		for _, i := range []int{1, 2, 4} {
			h.apply(reports(later, i, false))
		}
		h.recoverMap("n3")
		h.refused(returns(later, 3), ErrGivenUp)
		h.ok(h.change("n1", 1))
		h.ok(wiped(h.cluster, 3))
	})
	t.Run("not known of", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(Register{Node: node(4)})
		later := h.restore()
		for i := range 3 {
			h.apply(reports(later, i+1, false))
		}
		h.recoverMap()
		h.refused(returns(later, 4), ErrGivenUp)
		if h.m.Behind().Since != 0 {
			t.Error("the map is frozen again")
		}
	})
	t.Run("but one that was accepted after the recovery does", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(NoteBehind{Map: partition.Stamp{Version: 99}})
		for i := range 3 {
			h.apply(reports(h.m.Map(), i+1, false))
		}
		h.recoverMap()
		again := backedUp(h.cluster)
		again.ok(again.boot(3))
		later := again.restore()
		again.refused(returns(later, 3), ErrMapBehind)
		if again.m.Behind().Since == 0 {
			t.Error("the map is not frozen")
		}
	})
}
