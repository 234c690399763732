package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// node is a running server.
type node struct {
	*server
	http *httptest.Server
}

func start(t *testing.T, g *trio.Group, n int) *node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), trio.Patience)
	defer cancel()
	var handler http.Handler
	var ready sync.WaitGroup
	ready.Add(1)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ready.Wait()
		handler.ServeHTTP(w, r)
	}))
	id := fmt.Sprintf("n%d", n)
	s, err := join(ctx, client.Config{
		NodeID: partition.NodeID(id), Coordinators: g.Addrs(), PeerAddr: id + ":1", Network: g.Network.Host(id), Logger: trio.Logger(t),
	}, strings.TrimPrefix(web.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	handler = s.handler()
	ready.Done()
	one := &node{s, web}
	t.Cleanup(one.stop)
	return one
}

// stop ends the server as a crash would, but for the connections.
func (n *node) stop() {
	n.http.CloseClientConnections()
	n.server.close()
	n.http.Close()
}

func request(ctx context.Context, at *node, method, key, value string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, at.http.URL+"/kv/"+key, strings.NewReader(value))
	if err != nil {
		return "", err
	}
	answer, err := at.http.Client().Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s %s", method, key, answer.Status, body)
	}
	return string(body), err
}

// writers write numbers to keys, upwards, through all servers that are there.
type writers struct {
	mu    sync.Mutex
	alive []*node
	acked map[string]int
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

func writing(t *testing.T, nodes ...*node) *writers {
	ctx, cancel := context.WithCancel(t.Context())
	w := &writers{alive: nodes, acked: map[string]int{}, stop: cancel}
	for i := range 6 {
		w.wg.Go(func() {
			key := fmt.Sprintf("key-%d", i)
			for n := 1; ctx.Err() == nil; n++ {
				w.mu.Lock()
				at := w.alive[(n+i)%len(w.alive)]
				w.mu.Unlock()
				if _, err := request(ctx, at, http.MethodPut, key, fmt.Sprint(n)); err == nil {
					w.mu.Lock()
					w.acked[key] = n
					w.mu.Unlock()
				}
			}
		})
	}
	t.Cleanup(w.end)
	return w
}

func (w *writers) end() { w.stop(); w.wg.Wait() }

// goOn waits until each key was written some times more.
func (w *writers) goOn(t *testing.T, what string) {
	t.Helper()
	before := w.copy()
	trio.Eventually(t, "writes go on "+what, func() bool {
		now := w.copy()
		for i := range 6 {
			if key := fmt.Sprintf("key-%d", i); now[key] < before[key]+5 {
				return false
			}
		}
		return true
	})
}

func (w *writers) copy() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]int{}
	for k, n := range w.acked {
		out[k] = n
	}
	return out
}

// verify wants of every key what was acknowledged last, or what came after it.
func (w *writers) verify(t *testing.T, nodes ...*node) {
	t.Helper()
	for key, n := range w.copy() {
		for _, at := range nodes {
			text, err := request(t.Context(), at, http.MethodGet, key, "")
			if got := 0; err != nil {
				t.Errorf("%s at %s: %v", key, at.client.NodeID(), err)
			} else if _, err := fmt.Sscan(text, &got); err != nil || got < n {
				t.Errorf("%s at %s is %q, and %d was acknowledged", key, at.client.NodeID(), text, n)
			}
		}
	}
}

func order(t *testing.T, g *trio.Group, path string) {
	t.Helper()
	w := httptest.NewRecorder()
	g.Leader().Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
	}
}

func holds(n *node, of partition.NodeID) int { return len(n.client.GetPartitionsForNode(of)) }

func TestServersOfTheirOwn(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start()
	n1, n2, n3 := start(t, g, 1), start(t, g, 2), start(t, g, 3)
	trio.Eventually(t, "placement", func() bool { return n1.client.Map().Placed() })
	w := writing(t, n1, n2, n3)
	w.goOn(t, "at first")

	n4 := start(t, g, 4)
	trio.Eventually(t, "n4 has its share", func() bool { return holds(n1, "n4") == 6 })
	w.mu.Lock()
	w.alive = append(w.alive, n4)
	w.mu.Unlock()
	w.goOn(t, "with one more")

	order(t, g, "/v1/nodes/n1/drain")
	trio.Eventually(t, "n1 is drained", func() bool { return holds(n2, "n1") == 0 })
	w.goOn(t, "with one drained")
	order(t, g, "/v1/nodes/n1/undrain")
	trio.Eventually(t, "n1 has its share", func() bool { return holds(n2, "n1") == 6 })

	w.mu.Lock()
	w.alive = []*node{n1, n3, n4}
	w.mu.Unlock()
	n2.stop()
	w.goOn(t, "with one dead")
	w.end()
	w.verify(t, n1, n3, n4)
}

func TestACopyTakesNothingOfAnEpochThatIsOver(t *testing.T) {
	t.Parallel()
	var h held
	if err := h.replace(state{Epoch: 2, Sequence: 5, Values: map[string]string{"k": "v"}}); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"a write of the epoch before": h.apply(writeOf(1, 6)), "a write that leaves one out": h.apply(writeOf(2, 7)),
		"the epoch before": h.enter(1), "the content of the epoch before": h.replace(state{Epoch: 1, Sequence: 9}),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := h.apply(writeOf(2, 6)); err != nil {
		t.Error(err)
	}
}

func writeOf(epoch partition.Epoch, sequence uint64) write {
	return write{Epoch: epoch, Sequence: sequence, Key: "k", Value: "w"}
}
