package replica

import (
	"testing"
	"time"
)

// TestShortageRefusesBeforeTheLog: the primary's own, and that of a secondary,
// which its answer to a beacon brings. Deletes go on where a disk is full, reads
// always.
func TestShortageRefusesBeforeTheLog(t *testing.T) {
	t.Parallel()
	for _, short := range []string{"n1", "n3"} {
		c := newCluster(t, 3)
		c.serve("n1")
		c.do("n1", c.operation("before", Put, "k", "v"))
		c.want("before", Done)
		set := func(s Shortage) {
			for id, n := range c.nodes {
				if string(id) == short {
					n.g.SetShortage(c.now, s)
				}
			}
			c.pass(300 * time.Millisecond) // a beacon and its answer
		}
		set(ShortOfDisk)
		last := c.status("n1").Last
		c.do("n1", c.operation("put", Put, "k", "w"))
		c.want("put", DiskFull)
		c.do("n1", c.operation("get", Get, "k", ""))
		c.want("get", Found)
		if got := c.status("n1").Last; got != last {
			t.Fatalf("%s short: the log grew", short)
		}
		c.do("n1", c.operation("delete", Delete, "k", ""))
		c.want("delete", Done)
		set(ShortOfMemory)
		c.do("n1", c.operation("put 2", Put, "k", "w"))
		c.want("put 2", Overloaded)
		set(0)
		c.do("n1", c.operation("put 3", Put, "k", "w"))
		c.want("put 3", Done)
	}
}
