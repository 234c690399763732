package processtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// A flood of many times what a node's memory may take, from clients that do not
// heed what they are told, with clients among them who dribble: every request
// gets an answer, those that there is no room for 429 with Retry-After; memory
// stays bounded, and afterwards everything is as before.
func TestAFloodOfLargeValues(t *testing.T) {
	const mib = 1 << 20
	c := start(t, cluster.Options{Nodes: 3, Partitions: 16, NodeFlags: []string{
		"--memory-table", "32MiB", "--log-retention", "32MiB", "--body-memory", "32MiB", "--inbox-memory", "16MiB",
	}})
	defer slowUploads(t, c.Nodes[1].HTTP, 200)()
	f := flood(t, c, 96, mib)
	peak := map[string]int64{}
	eventually(t, time.Minute, "many times the limits to be sent, and refusals", func() error {
		for _, n := range c.Nodes {
			rss, err := n.Memory()
			must(t, err)
			peak[n.Name] = max(peak[n.Name], rss)
		}
		if taken, refused := f.taken.Load(), f.refused.Load(); taken < 300 || refused < 20 {
			return fmt.Errorf("%d MiB taken, %d refused", taken, refused)
		}
		return nil
	})
	f.end(t)
	t.Logf("%d values of 1 MiB sent, %d taken, %d refused, %d unavailable, %d in doubt; most memory %v", f.sent.Load(), f.taken.Load(), f.refused.Load(), f.unavailable.Load(), f.doubtful.Load(), peak)
	for name, rss := range peak {
		if rss > 700*mib {
			t.Errorf("%s took %d MiB", name, rss/mib)
		}
	}
	whole(t, c)
	usual(t, c, "after the flood")
	f.verify(t, c)
}

// usual checks that every node serves, within the client's deadline.
func usual(t *testing.T, c *cluster.Cluster, what string) {
	t.Helper()
	for _, n := range c.Nodes {
		d, err := client.New(client.Config{Servers: []string{n.HTTP}})
		must(t, err)
		for i := range 20 {
			key := fmt.Sprintf("usual-%d", i)
			if _, err := d.Put(t.Context(), key, []byte(what)); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if v, err := d.Get(t.Context(), key); err != nil || string(v.Data) != what {
				t.Fatalf("%s: get: %v, %v", what, v, err)
			}
		}
		d.Close()
	}
}

// flooding is a number of clients who send large values as fast as they can.
type flooding struct {
	sent, taken, refused, unavailable, doubtful atomic.Int64

	mu    sync.Mutex
	wrong []string
	keys  map[string]byte // acknowledged last, where nothing is in doubt after it
	stop  context.CancelFunc
	run   sync.WaitGroup
	size  int
}

func flood(t *testing.T, c *cluster.Cluster, clients, size int) *flooding {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &flooding{stop: cancel, size: size, keys: map[string]byte{}}
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	for i := range clients {
		f.run.Go(func() {
			key, address := fmt.Sprintf("flood-%d", i), c.Nodes[i%len(c.Nodes)].HTTP
			for round := 0; ctx.Err() == nil; round++ {
				f.put(&http.Client{Transport: transport, Timeout: 30 * time.Second}, address, key, byte(round))
			}
		})
	}
	t.Cleanup(func() { cancel(); f.run.Wait(); transport.CloseIdleConnections() })
	return f
}

func (f *flooding) put(h *http.Client, address, key string, fill byte) {
	f.sent.Add(1)
	r, err := http.NewRequest(http.MethodPut, "http://"+address+"/v1/kv/"+key, bytes.NewReader(bytes.Repeat([]byte{fill}, f.size)))
	if err != nil {
		f.complain("%v", err)
		return
	}
	answer, err := h.Do(r)
	if err != nil {
		f.complain("no answer: %v", err)
		f.forget(key)
		return
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	switch {
	case err != nil:
		f.complain("half an answer: %v", err)
		f.forget(key)
	case answer.StatusCode/100 == 2:
		f.taken.Add(1)
		f.mu.Lock()
		f.keys[key] = fill
		f.mu.Unlock()
	case answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get("Retry-After") != "":
		f.refused.Add(1)
	case answer.StatusCode == http.StatusServiceUnavailable:
		f.unavailable.Add(1) // never applied either
	case answer.StatusCode == http.StatusGatewayTimeout:
		f.forget(key) // a disk that stands still for a second costs a replica its place
		f.doubtful.Add(1)
	default:
		f.complain("%d %s", answer.StatusCode, body)
	}
}

func (f *flooding) complain(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func (f *flooding) forget(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.keys, key)
}

// end stops the clients; requests under way finish.
func (f *flooding) end(t *testing.T) {
	t.Helper()
	f.stop()
	f.run.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, w := range f.wrong {
		if i < 10 {
			t.Errorf("%d of %d: %s", i+1, len(f.wrong), w)
		}
	}
}

// verify reads what was acknowledged.
func (f *flooding) verify(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	d, err := client.New(client.Config{Servers: c.HTTPAddresses()})
	must(t, err)
	defer d.Close()
	if len(f.keys) == 0 {
		t.Error("nothing was taken")
	}
	for key, fill := range f.keys {
		if v, err := d.Get(t.Context(), key); err != nil || len(v.Data) != f.size || v.Data[0] != fill {
			t.Errorf("%s: %v, not what was acknowledged", key, err)
		}
	}
}

// slowUploads are clients who send a byte of a large body now and then.
func slowUploads(t *testing.T, address string, n int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for i := range n {
		conn := dial(t, address)
		_, err := fmt.Fprintf(conn, "PUT /v1/kv/slow-%d HTTP/1.1\r\nHost: x\r\nContent-Length: 8388608\r\n\r\n", i)
		must(t, err)
		running.Go(func() {
			defer conn.Close()
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					if _, err := conn.Write(make([]byte, 500)); err != nil {
						return // it was ended to make room, as it should be
					}
				}
			}
		})
	}
	return func() { cancel(); running.Wait() }
}
