package state

import (
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// A volume that was not mounted at one start is not lost: nothing was committed
// while the partition had no replica.
func TestTheLastDiskInSyncComesBack(t *testing.T) {
	t.Parallel()
	t.Run("after an empty one in its place", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(c.change("n1", 1, 2))
		c.ok(c.change("n1", 1))
		back := c.start(1, 2, 22, firstStart(1))
		for _, n := range []uint64{2, 3} { // twice
			empty := wiped(c, 1)
			empty.Node.Store += partition.StoreID(n)
			c.ok(empty)
			back.Node.Incarnation = n
			c.ok(back)
			back.Accepted = back.Node.Start()
			back.Node.StartID++
		}
		c.is("7  [] [n1 n2 n3] [n1 n2] [n1]")
		c.ok(c.recover("n1"))
		c.is("8 n1 [n1] [n2 n3] [n2] []")
	})
	t.Run("not where others went on", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(c.change("n1", 1))
		c.ok(wiped(c, 1))
		c.ok(c.unsafely("n2", 8))
		c.ok(c.start(1, 2, 22, firstStart(1)))
		c.is("5 n2 [n2] [n1 n3] [] []")
	})
	t.Run("not without its copy", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		c.ok(c.change("n1", 1))
		c.ok(wiped(c, 1))
		damaged := c.start(1, 2, 22, firstStart(1))
		damaged.Copies = []Copy{{Partition: 0}}
		c.ok(damaged)
		c.refused(c.recover("n1"), ErrNotEligible)
	})
	t.Run("given up by recover-map", func(t *testing.T) {
		t.Parallel()
		h := backedUp(three(t, 3))
		h.ok(h.change("n1", 1))
		later := h.restore()
		h.apply(reports(later, 2, false))
		h.apply(reports(later, 3, false))
		h.recoverMap("n1")
		h.ok(reports(later, 1, true))
		h.is("1048579  [] [n1 n2 n3] [n1 n2 n3] [n1]")
	})
}
