package dataplane

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// counted is the value of a counter of a node.
func (c *cluster) counted(id partition.NodeID, name string, labels ...string) float64 {
	c.t.Helper()
	c.mu.Lock()
	n := c.nodes[id]
	c.mu.Unlock()
	families, err := n.cfg.Gatherer.Gather()
	if err != nil {
		c.t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			matches := true
			for i, l := range m.GetLabel() {
				matches = matches && (i >= len(labels) || l.GetValue() == labels[i])
			}
			if matches {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}

// TestWipedDiskIsRebuiltFromSnapshots has nodes that keep next to no log, so
// that entries alone cannot help.
func TestWipedDiskIsRebuiltFromSnapshots(t *testing.T) {
	t.Parallel()
	c := newTunedCluster(t, 3, 8, func(c *Config) {
		c.MemoryTable, c.LogRetention = 64<<10, 16<<10
	})
	value := bytes.Repeat([]byte("v"), 2<<10)
	for i := range 200 {
		if status, body := c.do("n1", http.MethodPut, fmt.Sprintf("big-%d", i), value); status/100 != 2 {
			t.Fatalf("put big-%d: %d %s", i, status, body)
		}
	}
	c.kill("n2")
	c.fail("n2")
	c.wipe("n2")
	c.start("n2")
	eventually(t, "n2 in sync again", c.whole)
	if got := c.counted("n2", "holdfast_snapshots_total", "in", "done"); got == 0 {
		t.Error("no snapshot was taken in")
	}
	c.toPrimary("n2")
	for i := range 200 {
		if status, body := c.do("n2", http.MethodGet, fmt.Sprintf("big-%d", i), nil); status != http.StatusOK || body != string(value) {
			t.Fatalf("get big-%d: %d, %d bytes", i, status, len(body))
		}
	}
}

// TestDiskIsRebuiltWhileConnectionsBreak writes on while snapshots and entries
// go to a node whose connections break again and again.
func TestDiskIsRebuiltWhileConnectionsBreak(t *testing.T) {
	t.Parallel()
	c := newTunedCluster(t, 3, 8, func(c *Config) {
		c.MemoryTable, c.LogRetention = 64<<10, 16<<10
	})
	value := bytes.Repeat([]byte("v"), 2<<10)
	put := func(i int) {
		if status, body := c.do("n1", http.MethodPut, fmt.Sprintf("big-%d", i), value); status/100 != 2 {
			t.Errorf("put big-%d: %d %s", i, status, body)
		}
	}
	for i := range 100 {
		put(i)
	}
	c.kill("n2")
	c.fail("n2")
	c.wipe("n2")
	c.start("n2")
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 100; i < 200; i++ {
			put(i)
		}
	})
	breaks := 0
	eventually(t, "n2 in sync again", func() bool {
		if breaks++; breaks%20 == 0 && breaks < 300 {
			c.network.Break("n1", "n2")
			c.network.Break("n3", "n2")
		}
		return c.whole()
	})
	writing.Wait()
	c.toPrimary("n2")
	for i := range 200 {
		if status, body := c.do("n2", http.MethodGet, fmt.Sprintf("big-%d", i), nil); status != http.StatusOK || body != string(value) {
			t.Fatalf("get big-%d: %d, %d bytes", i, status, len(body))
		}
	}
}

// toPrimary makes a node, in sync everywhere, the primary of every partition.
func (c *cluster) toPrimary(id partition.NodeID) {
	c.trio.change(func(m *partition.Map) {
		for i, p := range m.Partitions {
			m.Partitions[i] = next(m, p, id, p.Replicas)
		}
	})
}
