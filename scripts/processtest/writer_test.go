package processtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// writers write numbers to keys, each key by one writer, upwards. What was
// acknowledged last, or written after that with unknown outcome, is what a key
// must have.
type writers struct {
	mu       sync.Mutex
	low      map[string]int          // acknowledged
	high     map[string]int          // sent
	failures []error                 // of requests that a living node should have served
	longest  time.Duration           // between two acknowledged writes of a key
	worst    string                  // that key
	count    int                     // acknowledged writes
	open     map[*cluster.Member]int // requests under way

	stop    context.CancelFunc
	running sync.WaitGroup
}

// keysFor returns n keys; a key belongs to one set of writers only.
func keysFor(use string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%d", use, i)
	}
	return out
}

// write starts writing; end stops it. Each request goes to one server, which
// alive chooses, with a deadline of 10 s, and is not tried again.
func write(t *testing.T, keys []string, alive func(i int) *cluster.Member) *writers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &writers{low: map[string]int{}, high: map[string]int{}, open: map[*cluster.Member]int{}, stop: cancel}
	for i, key := range keys {
		w.running.Go(func() { w.one(ctx, i, key, alive) })
	}
	t.Cleanup(w.end)
	return w
}

func (w *writers) one(ctx context.Context, number int, key string, alive func(i int) *cluster.Member) {
	last := time.Now()
	clients := map[string]*client.Client{}
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	for value := 1; ctx.Err() == nil; value++ {
		w.mu.Lock()
		server := alive(number + value)
		w.open[server]++
		w.mu.Unlock()
		c := clients[server.HTTP]
		if c == nil {
			var err error
			if c, err = client.New(client.Config{Servers: []string{server.HTTP}, MaxConnections: 1}); err != nil {
				w.fail(err)
				return
			}
			clients[server.HTTP] = c
		}
		w.mu.Lock()
		w.high[key] = value
		w.mu.Unlock()
		sending, cancel := context.WithTimeout(ctx, 10*time.Second)
		_, err := c.Put(sending, key, []byte(strconv.Itoa(value)))
		cancel()
		w.mu.Lock()
		w.open[server]--
		w.mu.Unlock()
		if err != nil {
			if ctx.Err() == nil { // else it was cut short by end
				w.fail(fmt.Errorf("%s at %s: %w", key, server.Name, err))
			}
			continue
		}
		w.mu.Lock()
		w.low[key] = value
		w.count++
		if gap := time.Since(last); gap > w.longest {
			w.longest, w.worst = gap, key
		}
		w.mu.Unlock()
		last = time.Now()
	}
}

func (w *writers) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failures = append(w.failures, err)
}

// acknowledged returns how many writes were, so far.
func (w *writers) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// progress waits for more acknowledged writes.
func (w *writers) progress(t *testing.T, more int) {
	t.Helper()
	from := w.acknowledged()
	eventually(t, 30*time.Second, "writes go on", func() error {
		if n := w.acknowledged() - from; n < more {
			return fmt.Errorf("%d of %d writes", n, more)
		}
		return nil
	})
}

// unused waits until no request is under way at the member.
func (w *writers) unused(t *testing.T, m *cluster.Member) {
	t.Helper()
	eventually(t, 15*time.Second, "requests end", func() error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if n := w.open[m]; n > 0 {
			return fmt.Errorf("%d requests at %s", n, m.Name)
		}
		return nil
	})
}

// end stops the writers and waits for them.
func (w *writers) end() {
	w.stop()
	w.running.Wait()
}

// verify reads every key at a node, after end: nothing acknowledged is lost, and
// nothing is there that was not sent.
func (w *writers) verify(t *testing.T, at ...*cluster.Member) {
	t.Helper()
	if w.count == 0 {
		t.Fatal("nothing was acknowledged")
	}
	for i, key := range keysOf(w.high) {
		server := at[i%len(at)]
		c, err := client.New(client.Config{Servers: []string{server.HTTP}})
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.Get(t.Context(), key)
		c.Close()
		if errors.Is(err, client.ErrNotFound) && w.low[key] == 0 {
			continue
		}
		if err != nil {
			t.Errorf("%s at %s: %v; acknowledged was %d", key, server.Name, err, w.low[key])
			continue
		}
		if n, err := strconv.Atoi(string(v.Data)); err != nil || n < w.low[key] || n > w.high[key] {
			t.Errorf("%s at %s is %q; acknowledged was %d, sent %d", key, server.Name, v.Data, w.low[key], w.high[key])
		}
	}
}

func keysOf(m map[string]int) []string {
	var out []string
	for key := range m {
		out = append(out, key)
	}
	return out
}
