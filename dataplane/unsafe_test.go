package dataplane

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// TestUnsafeRecoveryIsTheSameEverywhere has the operator choose a copy that
// lacks writes. Copies that have them, on disk, hear of it, restart, and then
// begin again: what the chosen one lacks must not come back with them.
func TestUnsafeRecoveryIsTheSameEverywhere(t *testing.T) {
	t.Parallel()
	c := newTunedCluster(t, 3, 4, func(c *Config) {
		c.MemoryTable, c.LogRetention = 64<<10, 16<<10
	})
	value := bytes.Repeat([]byte("v"), 2<<10)
	put := func(name string, count int) {
		t.Helper()
		for i := range count {
			if status, body := c.do("n1", http.MethodPut, fmt.Sprint(name, i), value); status/100 != 2 {
				t.Fatalf("put %s%d: %d %s", name, i, status, body)
			}
		}
	}
	put("kept-", 20)
	c.kill("n3")
	c.fail("n3")
	put("lost-", 100) // more than stays in memory and log
	c.kill("n1")
	c.kill("n2")
	c.trio.change(func(m *partition.Map) {
		for i := range m.Partitions {
			at, _ := m.Node("n3")
			p := next(m, m.Partitions[i], "n3", []partition.Replica{{Node: "n3", Store: at.Store}})
			p.Lineage++
			m.Partitions[i] = p
		}
	})
	for _, id := range []partition.NodeID{"n1", "n2"} {
		c.start(id) // hears of it, and gets nothing: n3 is down
		n := c.nodes[id]
		eventually(t, "the epochs adopted", func() bool {
			c.trio.mu.Lock()
			parts := c.trio.current.Partitions
			c.trio.mu.Unlock()
			return !slices.ContainsFunc(parts, func(p partition.Configuration) bool {
				s := n.slots[p.ID].Load()
				return s == nil || s.view == nil || s.view.Epoch != p.Epoch
			})
		})
		c.kill(id)
	}
	for _, id := range []partition.NodeID{"n1", "n2", "n3"} {
		c.start(id)
	}
	eventually(t, "all in sync again", c.whole)
	for _, id := range []partition.NodeID{"n1", "n2", "n3"} {
		c.toPrimary(id)
		for i := range 20 {
			if status, _ := c.do(id, http.MethodGet, fmt.Sprint("kept-", i), nil); status != http.StatusOK {
				t.Fatalf("get kept-%d at %s: %d", i, id, status)
			}
		}
		for i := range 100 {
			if status, _ := c.do(id, http.MethodGet, fmt.Sprint("lost-", i), nil); status != http.StatusNotFound {
				t.Fatalf("get lost-%d at %s: %d", i, id, status)
			}
		}
	}
}
