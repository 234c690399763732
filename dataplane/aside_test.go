package dataplane

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

// asks waits until a node asks to be started again, and does it.
func (c *cluster) asks(id partition.NodeID) {
	c.t.Helper()
	c.mu.Lock()
	n := c.nodes[id]
	c.mu.Unlock()
	heard := false
	eventually(c.t, string(id)+" asks to be started again, and its heartbeats say why", func() bool {
		heard = heard || len(n.report().Corrupt) > 0
		select {
		case <-n.Again():
			return heard
		default:
			return false
		}
	})
	leaving, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	left := make(chan struct{})
	go func() {
		defer close(left)
		n.Leave(leaving)
	}()
	eventually(c.t, string(id)+" may leave", n.released.Load)
	if marked := c.marked(id); marked != 0 {
		c.t.Errorf("%s has put %d copies aside before others took over", id, marked)
	}
	c.fail(id)
	<-left
	c.kill(id)
	if c.marked(id) == 0 {
		c.t.Errorf("%s put nothing aside", id)
	}
	c.start(id)
	eventually(c.t, string(id)+" in sync again", c.whole)
}

// marked counts the copies that a node has put aside.
func (c *cluster) marked(id partition.NodeID) int {
	c.t.Helper()
	marks, err := filepath.Glob(filepath.Join(c.dirs[id], "partitions", "*.aside"))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(marks)
}

// forge replaces the last entry of some partition in the log of a node that does
// not run by another with the same position, as a fault of the hardware would
// before any checksum is made.
func (c *cluster) forge(id partition.NodeID) {
	c.t.Helper()
	c.mu.Lock()
	dir := c.dirs[id]
	c.mu.Unlock()
	e, err := storage.Open(storage.Options{Dir: dir, NodeID: id})
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			c.t.Error(err)
		}
	}()
	for _, r := range e.Recovered() {
		if len(r.Log) == 0 || r.Log[len(r.Log)-1].Kind != entry.Put {
			continue
		}
		forged := *r.Log[len(r.Log)-1]
		forged.Value = []byte("forged")
		synced := make(chan struct{})
		e.Append([]entry.Record{{Partition: r.Partition, Lineage: r.Lineage, Entry: &forged}}, func() { close(synced) })
		<-synced
		return
	}
	c.t.Fatal("no entry to forge")
}

func TestCopyThatDiffersIsPutAsideAndMadeAnew(t *testing.T) {
	t.Parallel()
	for _, id := range []partition.NodeID{"n2", "n1"} { // there are primaries on both
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			c := newTunedCluster(t, 3, 2, func(c *Config) {
				c.Timings = replica.DefaultTimings()
				c.Timings.HashCheck = 200 * time.Millisecond
			})
			c.putAll(0, 50, "n1", "n2", "n3")
			eventually(t, "hashes are compared", func() bool {
				return c.counted("n1", "holdfast_hash_checks_total", "equal")+c.counted("n2", "holdfast_hash_checks_total", "equal") > 0
			})
			c.kill(id)
			c.forge(id)
			c.start(id)
			c.asks(id)
			c.checkAll(0, 50, id)
			eventually(t, "hashes are equal", func() bool {
				for _, other := range []partition.NodeID{"n1", "n2", "n3"} {
					if c.counted(other, "holdfast_hash_checks_total", "equal") > 2 {
						return true
					}
				}
				return false
			})
		})
	}
}

func TestDamageAtRestIsFoundAndMadeAnew(t *testing.T) {
	t.Parallel()
	c := newTunedCluster(t, 3, 4, func(c *Config) {
		c.MemoryTable, c.LogRetention = 64<<10, 16<<10
		c.ScrubRate = 1 << 30
	})
	value := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "value %d;", i), 200) }
	for i := range 200 {
		if status, body := c.do("n1", http.MethodPut, fmt.Sprintf("big-%d", i), value(i)); status/100 != 2 {
			t.Fatalf("put big-%d: %d %s", i, status, body)
		}
	}
	c.flip("n2", []byte("big-"))
	c.asks("n2")
	for i := range 200 {
		if status, body := c.do("n2", http.MethodGet, fmt.Sprintf("big-%d", i), nil); status != http.StatusOK || body != string(value(i)) {
			t.Fatalf("get big-%d: %d, %d bytes", i, status, len(body))
		}
	}
	if kept, err := filepath.Glob(filepath.Join(c.dirs["n2"], storage.Aside, "*.db")); err != nil || len(kept) == 0 {
		t.Errorf("the damaged file is not kept: %v", err)
	}
}

// flip changes a byte behind each occurrence of a text in a partition file of a
// node that runs.
func (c *cluster) flip(id partition.NodeID, text []byte) {
	c.t.Helper()
	flipped := 0
	eventually(c.t, "something is in a file", func() bool {
		files, err := filepath.Glob(filepath.Join(c.dirs[id], "partitions", "*.db"))
		if err != nil {
			c.t.Fatal(err)
		}
		for _, path := range files {
			content, err := os.ReadFile(path)
			if err != nil {
				c.t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				c.t.Fatal(err)
			}
			for at := bytes.Index(content, text); at >= 0 && flipped < 1000; flipped++ {
				at += len(text)
				if _, err := f.WriteAt([]byte{content[at] ^ 0x40}, int64(at)); err != nil {
					c.t.Fatal(err)
				}
				next := bytes.Index(content[at:], text)
				if next < 0 {
					break
				}
				at += next
			}
			if err := f.Close(); err != nil {
				c.t.Fatal(err)
			}
			if flipped > 0 {
				return true
			}
		}
		return false
	})
}
