package processtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// Promise 6: after kill -9 of any one node no key is unwritable for 3 s, and no
// request with a deadline of 10 s fails at a node that lives.
func TestANodeIsKilled(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 4, Partitions: 64})
	var dead atomic.Pointer[cluster.Member]
	w := write(t, keysFor("key", 48), func(i int) *cluster.Member {
		for ; ; i++ {
			if m := c.Nodes[i%len(c.Nodes)]; m != dead.Load() {
				return m
			}
		}
	})
	for _, victim := range c.Nodes[:2] {
		w.progress(t, 500)
		// Requests at the victim are not at a living node: none may be under way.
		dead.Store(victim)
		w.unused(t, victim)
		must(t, victim.Kill())
		w.progress(t, 500)
		must(t, victim.Start())
		whole(t, c)
		dead.Store(nil)
	}
	w.end()
	for _, err := range w.failures {
		t.Errorf("a request at a living node failed: %v", err)
	}
	if w.longest >= 3*time.Second {
		t.Errorf("%s took no write for %v", w.worst, w.longest)
	}
	t.Logf("%d writes; the longest time between two writes of a key was %v", w.count, w.longest.Round(time.Millisecond))
	w.verify(t, c.Nodes...)
}

// Promise 3: the coordinators are not on the data path.
func TestAllCoordinatorsAreKilled(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Partitions: 32})
	w := write(t, keysFor("key", 16), func(i int) *cluster.Member { return c.Nodes[i%len(c.Nodes)] })
	w.progress(t, 200)
	for _, m := range c.Coordinators {
		must(t, m.Kill())
	}
	// Longer than any lease, promise or suspicion lasts.
	until := time.Now().Add(5 * time.Second)
	for time.Now().Before(until) {
		w.progress(t, 200)
	}
	w.end()
	for _, err := range w.failures {
		t.Errorf("without coordinators: %v", err)
	}
	w.verify(t, c.Nodes...)
	for _, m := range c.Nodes {
		if err := m.Ask(t.Context(), "/readyz", nil); err != nil {
			t.Errorf("readiness without coordinators: %v", err)
		}
	}
	for _, m := range c.Coordinators {
		must(t, m.Start())
	}
	eventually(t, 30*time.Second, "coordinators are ready", func() error {
		var errs []error
		for _, m := range c.Coordinators {
			errs = append(errs, m.Ask(t.Context(), "/readyz", nil))
		}
		return errors.Join(errs...)
	})
	// They know the cluster again: a failure is handled as before.
	must(t, c.Nodes[0].Kill())
	again := write(t, keysFor("again", 16), func(i int) *cluster.Member { return c.Nodes[1+i%2] })
	again.progress(t, 500)
	again.end()
	again.verify(t, c.Nodes[1:]...)
}

// Promise 2: an acknowledged write is on disk. Every process is killed at once
// while writing; from their start every partition takes a write within 10 s.
func TestEverythingIsKilledAtOnce(t *testing.T) {
	const partitions = 64
	c := start(t, cluster.Options{Nodes: 3, Partitions: partitions})
	keys := keysFor("key", 96)
	w := write(t, keys, func(i int) *cluster.Member { return c.Nodes[i%len(c.Nodes)] })
	w.progress(t, 2000)
	var killing sync.WaitGroup
	for _, m := range c.Members() {
		killing.Go(func() {
			if err := m.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
	killing.Wait()
	w.end()
	began := time.Now()
	must(t, c.Start())
	everyPartitionWritable(t, c, partitions)
	took := time.Since(began)
	t.Logf("%v after the start every partition took a write", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("it took %v from the start until every partition took a write", took)
	}
	w.verify(t, c.Nodes...)
}

// everyPartitionWritable writes keys until each partition has taken one.
func everyPartitionWritable(t *testing.T, c *cluster.Cluster, partitions int) {
	t.Helper()
	d, err := client.New(client.Config{Servers: c.HTTPAddresses(), Spread: true})
	must(t, err)
	defer d.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var mu sync.Mutex
	taken := map[string]bool{}
	var next atomic.Int64
	var writing sync.WaitGroup
	for range 32 {
		writing.Go(func() {
			for ctx.Err() == nil {
				mu.Lock()
				done := len(taken) == partitions
				mu.Unlock()
				if done {
					return
				}
				w, err := d.Put(ctx, fmt.Sprintf("probe-%d", next.Add(1)), nil)
				if err != nil {
					if errors.Is(err, client.ErrOutcomeUnknown) {
						t.Errorf("a write into a cluster that has started: %v", err)
					}
					continue
				}
				mu.Lock()
				taken[w.Way.Partition] = true
				mu.Unlock()
			}
		})
	}
	writing.Wait()
	if len(taken) != partitions {
		t.Fatalf("only %d of %d partitions take writes", len(taken), partitions)
	}
}

// Promises 2 and 7: two disks are wiped, one after the other, with the repair
// in between.
func TestTwoDisksAreWiped(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Partitions: 32})
	w := write(t, keysFor("key", 64), func(i int) *cluster.Member { return c.Nodes[i%len(c.Nodes)] })
	w.progress(t, 3000)
	w.end()
	for _, m := range c.Nodes[:2] {
		must(t, m.Kill(), m.Wipe(), m.Start())
		whole(t, c)
	}
	// Only what was rebuilt answers now.
	must(t, c.Nodes[2].Kill())
	w.verify(t, c.Nodes[:2]...)
}

// A node that is told to end does so cleanly, and the others take over.
func TestANodeIsEnded(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Partitions: 16})
	w := write(t, keysFor("key", 16), func(i int) *cluster.Member { return c.Nodes[1+i%2] })
	w.progress(t, 200)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	must(t, c.Nodes[0].Terminate(ctx), c.Coordinators[0].Terminate(ctx))
	w.progress(t, 200)
	must(t, c.Start())
	whole(t, c)
	w.end()
	for _, err := range w.failures {
		t.Errorf("a request at a living node failed: %v", err)
	}
	w.verify(t, c.Nodes...)
}

// A node that is stopped for longer than its lease lasts must not be in the
// way, and must not answer with what it had when it goes on.
func TestANodeIsPaused(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 4, Partitions: 64})
	victim := c.Nodes[0]
	w := write(t, keysFor("key", 48), func(i int) *cluster.Member { return c.Nodes[1+i%3] })
	w.progress(t, 500)
	admin(t, c, "put", "paused", "before")
	must(t, victim.Pause())
	until := time.Now().Add(8 * time.Second)
	for time.Now().Before(until) {
		w.progress(t, 100)
	}
	// What waits in its sockets is answered once it goes on: with what is true by then.
	put(t, c.Nodes[1], "paused", "meanwhile")
	asked := askAlong(t, victim, "paused", 32)
	must(t, victim.Resume())
	for range 32 {
		if got := <-asked; got != "" && got != "meanwhile" {
			t.Errorf("a node that stood still answers %q, which was replaced", got)
		}
	}
	w.progress(t, 500)
	whole(t, c)
	w.end()
	for _, err := range w.failures {
		t.Errorf("a request at a living node failed: %v", err)
	}
	if w.longest >= 5*time.Second {
		t.Errorf("%s took no write for %v", w.worst, w.longest)
	}
	t.Logf("%d writes; the longest time between two writes of a key was %v", w.count, w.longest.Round(time.Millisecond))
	w.verify(t, c.Nodes...)
}

// put writes a key by way of one node.
func put(t *testing.T, m *cluster.Member, key, value string) {
	t.Helper()
	one, err := client.New(client.Config{Servers: []string{m.HTTP}})
	must(t, err)
	defer one.Close()
	_, err = one.Put(t.Context(), key, []byte(value))
	must(t, err)
}

// askAlong asks a node for a key with so many requests at the same time, which have been
// sent when it returns. Of each comes the value, or "" where there was none.
func askAlong(t *testing.T, m *cluster.Member, key string, requests int) <-chan string {
	t.Helper()
	answers := make(chan string, requests)
	var sent sync.WaitGroup
	for range requests {
		sent.Add(1)
		go func() {
			var once sync.Once
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { once.Do(sent.Done) }})
			answers <- getOnce(ctx, m, key)
			once.Do(sent.Done) // it could not be sent
		}()
	}
	sent.Wait()
	return answers
}

func getOnce(ctx context.Context, m *cluster.Member, key string) string {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.HTTP+"/v1/kv/"+key, nil)
	if err != nil {
		return ""
	}
	asking := &http.Transport{DisableKeepAlives: true}
	defer asking.CloseIdleConnections()
	answer, err := asking.RoundTrip(r)
	if err != nil || answer.StatusCode != http.StatusOK {
		if err == nil {
			answer.Body.Close()
		}
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return ""
	}
	return string(body)
}
