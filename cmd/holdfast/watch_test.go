package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// watched is a leader under whose throttle one move begins now and then: in most
// answers none is under way.
type watched struct {
	*httptest.Server
	left atomic.Int64
	asks atomic.Int64
}

func watchedLeader(t *testing.T, moves int64) *watched {
	t.Helper()
	w := &watched{}
	w.left.Store(moves)
	answer := func(to http.ResponseWriter, body any) {
		if err := json.NewEncoder(to).Encode(body); err != nil {
			t.Error(err)
		}
	}
	w.Server = httptest.NewServer(http.HandlerFunc(func(to http.ResponseWriter, r *http.Request) {
		move := partition.Move{Partition: 3, To: "n4", Since: uint64(w.left.Load()), Reason: "n4 holds too little"}
		to.Header().Set("Holdfast-Coordinator", "c1")
		switch r.URL.Path {
		case "/v1/cluster":
			answer(to, mapjson.Cluster{Leader: "c1", Coordinators: []mapjson.Coordinator{{ID: "c1", HTTPAddr: strings.TrimPrefix(w.URL, "http://")}}})
		case "/v1/moves":
			m := mapjson.Moves{Rebalance: partition.DefaultRebalance}
			if n := w.asks.Add(1); n%5 == 0 && w.left.Load() > 0 { // none in four answers: more than watch takes for the end
				w.left.Add(-1)
				m.Moves = []mapjson.Move{{Move: move}}
			}
			answer(to, m)
		case "/v1/plan":
			var p mapjson.Plan
			if w.left.Load() > 0 {
				p.Moves = []partition.Move{move}
			}
			answer(to, p)
		default:
			http.NotFound(to, r)
		}
	}))
	t.Cleanup(w.Close)
	return w
}

func TestWatchGoesOnWhileTheThrottleLetsNoneBegin(t *testing.T) {
	t.Parallel()
	w := watchedLeader(t, 2)
	code, out, errOut := execute(t, "", "moves", "--watch", "--server", w.URL)
	if code != 0 || w.left.Load() > 0 || strings.Count(out, "begins") != 2 || !strings.HasSuffix(out, "Nothing moves any more.\n") {
		t.Errorf("code %d, %d moves are left; printed %q, %q", code, w.left.Load(), out, errOut)
	}
}

// Any server may be asked; only the leader knows who is in the group.
func TestCoordinatorsAreAsTheLeaderSeesThem(t *testing.T) {
	t.Parallel()
	leader := httptest.NewServer(nil)
	defer leader.Close()
	cluster := func(state string) string {
		return fmt.Sprintf(`{"leader":"c1","coordinators":[{"id":"c1","http_addr":%q,"state":"leader"},{"id":"c3","state":%q}],"settings":{}}`,
			strings.TrimPrefix(leader.URL, "http://"), state)
	}
	leader.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Holdfast-Coordinator", "c1")
		fmt.Fprint(w, cluster("vacant"))
	})
	node := answering(t, map[string]string{
		"GET /v1/cluster": cluster("follower"), "GET /v1/nodes": `{"nodes":[]}`, "GET /v1/partitions": `{"partitions":[]}`,
	}, http.StatusOK)
	if code, out, _ := execute(t, "", "coordinators", "list", "--server", node); code != 0 || !strings.Contains(out, "vacant") {
		t.Errorf("code %d: %s", code, out)
	}
	if code, out, _ := execute(t, "", "status", "--server", node); code != exitDegraded || !strings.Contains(out, "holdfast coordinators add c3") {
		t.Errorf("code %d: %s", code, out)
	}
}

// A leader that hangs keeps nobody from being told what the others know.
func TestStatusDoesNotWaitForALeaderThatHangs(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	leader := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer leader.Close()
	defer close(release)
	cluster := fmt.Sprintf(`{"leader":"c1","coordinators":[{"id":"c1","http_addr":%q,"state":"leader"}],"settings":{}}`, strings.TrimPrefix(leader.URL, "http://"))
	node := answering(t, map[string]string{
		"GET /v1/cluster": cluster, "GET /v1/nodes": `{"nodes":[]}`, "GET /v1/partitions": `{"partitions":[]}`,
	}, http.StatusOK)
	if code, out, errOut := execute(t, "", "status", "--server", node, "--timeout", "2s"); code != exitDegraded || out == "" {
		t.Errorf("code %d: %q, %q", code, out, errOut)
	}
}
