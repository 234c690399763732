package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// book notes what hooks were called with.
type book struct {
	mu    sync.Mutex
	lines []string
}

func (b *book) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

func (b *book) has(line string) bool { return b.count(line) > 0 }

func (b *book) count(line string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.lines {
		if l == line {
			n++
		}
	}
	return n
}

// order has the coordinators do something about a node.
func order(t *testing.T, g *trio.Group, path string) {
	t.Helper()
	w := httptest.NewRecorder()
	g.Leader().Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("POST %s: %d %s", path, w.Code, w.Body)
	}
}

// copies has a node copy what it is told to, which takes no time.
func copies(c *client.Client) {
	c.OnPartitionChange(func(string, *client.Node, *client.Node) {})
}

func TestLifecycleHooks(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	var seen book
	names := map[client.NodeEventKind]string{client.NodeJoined: "joined", client.NodeRejoined: "rejoined", client.NodeLeft: "left"}
	for _, c := range nodes {
		copies(c)
	}
	watcher := nodes[0]
	failed := 0
	watcher.OnNodeEvent(func(_ context.Context, e client.NodeEvent) error {
		if failed++; failed == 2 {
			panic("the second call")
		}
		seen.note("%s %s", e.Node.ID, names[e.Kind])
		if failed == 1 {
			return errors.New("the first call")
		}
		return nil
	})
	watcher.OnRebalanceStart(func(moves []partition.Move) { seen.note("moves begin: %t", len(moves) > 0) })
	watcher.OnRebalanceComplete(func() { seen.note("moves are done") })
	wait := func(line string) {
		t.Helper()
		trio.Eventually(t, line, func() bool { return seen.has(line) })
	}
	for _, id := range []string{"n1", "n2", "n3"} { // they were there before
		wait(id + " joined")
	}
	n4 := join(t, config(g, 4))
	copies(n4)
	wait("n4 joined")
	wait("moves begin: true")
	wait("moves are done")
	trio.Eventually(t, "n4 has its share", func() bool { return len(watcher.GetPartitionsForNode("n4")) == 6 })
	order(t, g, "/v1/nodes/n4/remove")
	wait("n4 left")
	if got := seen.count("n1 joined"); got != 2 {
		t.Errorf("after an error and a panic n1's event came through %d times, want once more than noted", got)
	}

	again := config(g, 2)
	_ = nodes[1].Close()
	again.Accepted, again.Start = again.Start, partition.Start{Incarnation: 2, ID: 2}
	join(t, again)
	wait("n2 rejoined")
	if seen.has("n1 rejoined") || seen.has("n3 left") {
		t.Errorf("too much: %v", seen.lines)
	}
}

func TestHealthHook(t *testing.T) {
	t.Parallel()
	_, nodes := cluster(t)
	var mu sync.Mutex
	var health []client.ClusterHealth
	nodes[0].OnClusterHealth(func(h client.ClusterHealth) {
		mu.Lock()
		defer mu.Unlock()
		health = append(health, h)
	})
	told := func(what string, is func(h client.ClusterHealth) bool) {
		t.Helper()
		trio.Eventually(t, what, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(health) > 0 && is(health[len(health)-1])
		})
	}
	told("all is well", client.ClusterHealth.Well)
	_ = nodes[2].Close()
	told("n3 is gone", func(h client.ClusterHealth) bool {
		return slices.Equal(h.Suspected, []partition.NodeID{"n3"}) && h.Degraded == 8 && h.Below == 0 && h.Headless == 0 && !h.Well()
	})
}

// A primary of the library hands over what moves away from it, without the
// program doing anything.
func TestDrainOfALibraryNode(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	n4 := join(t, config(g, 4))
	for _, c := range append(nodes, n4) {
		copies(c)
	}
	trio.Eventually(t, "n4 has its share", func() bool { return len(nodes[0].GetPartitionsForNode("n4")) == 6 })
	order(t, g, "/v1/nodes/n1/drain")
	trio.Eventually(t, "n1 holds nothing", func() bool { return len(nodes[1].GetPartitionsForNode("n1")) == 0 })
	for i := range nodes[1].Map().Partitions {
		if p := &nodes[1].Map().Partitions[i]; p.Primary == "" || p.Primary == "n1" || len(p.Replicas) != 3 {
			t.Errorf("%+v", p)
		}
	}
}
