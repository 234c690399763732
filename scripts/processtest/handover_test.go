package processtest

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// hammer writes and reads keys, each by one client that knows all nodes and
// begins with another one each time. No request may fail.
type hammer struct {
	mu      sync.Mutex
	count   int
	longest time.Duration // between two writes of a key
	stop    context.CancelFunc
	running sync.WaitGroup
}

func strike(t *testing.T, c *cluster.Cluster, keys []string) *hammer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &hammer{stop: cancel}
	servers := make([]string, len(c.Nodes))
	for i, n := range c.Nodes {
		servers[i] = n.HTTP
	}
	for _, key := range keys {
		h.running.Go(func() { h.one(ctx, t, servers, key) })
	}
	t.Cleanup(h.end)
	return h
}

func (h *hammer) one(ctx context.Context, t *testing.T, servers []string, key string) {
	c, err := client.New(client.Config{Servers: servers, Spread: true, MaxConnections: 1})
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	last := time.Now()
	for value := 1; ctx.Err() == nil; value++ {
		want := strconv.Itoa(value)
		if _, err := c.Put(ctx, key, []byte(want)); err != nil {
			if ctx.Err() == nil {
				t.Errorf("put %s: %v", key, err)
			}
			return
		}
		gap := time.Since(last)
		last = time.Now()
		h.mu.Lock()
		h.count++
		h.longest = max(h.longest, gap)
		h.mu.Unlock()
		if v, err := c.Get(ctx, key); ctx.Err() == nil && (err != nil || string(v.Data) != want) {
			t.Errorf("get %s: %v, %v, want %s", key, v, err, want)
			return
		}
	}
}

func (h *hammer) end() {
	h.stop()
	h.running.Wait()
}

// reset begins to measure anew, and returns what was measured.
func (h *hammer) reset() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	longest := h.longest
	h.longest = 0
	return longest.Round(time.Millisecond)
}

func (h *hammer) progress(t *testing.T, more int) {
	t.Helper()
	count := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.count
	}
	from := count()
	eventually(t, 30*time.Second, "writes go on", func() error {
		if t.Failed() || count()-from >= more {
			return nil
		}
		return context.DeadlineExceeded
	})
}

// Every node, and every coordinator, is told to end and started again, one after
// another, under load. Nobody sees a failed request.
func TestRollingRestart(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 4, Partitions: 16})
	whole(t, c)
	h := strike(t, c, keysFor("rolling", 24))
	h.progress(t, 500)
	for _, m := range c.Members() {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		began := time.Now()
		must(t, m.Terminate(ctx))
		cancel()
		ended := time.Since(began).Round(time.Millisecond)
		h.progress(t, 200)
		t.Logf("%s ended after %v; the longest time between two writes of a key was %v", m.Name, ended, h.reset())
		must(t, m.Start())
		whole(t, c)
		h.progress(t, 200)
		t.Logf("%s is back; the longest time between two writes of a key was %v", m.Name, h.reset())
	}
	h.end()
}
