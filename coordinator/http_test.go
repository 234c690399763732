package coordinator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// ask sends a request to a coordinator and reads the JSON of the answer.
func ask(t *testing.T, c *coordinator.Coordinator, method, path, body string, into any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+c.HTTPAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	answer, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	want := "application/json"
	if answer.StatusCode >= 400 {
		want = "application/problem+json"
	}
	if got := answer.Header.Get("Content-Type"); path != "/metrics" && got != want {
		t.Errorf("%s %s: %d with %s", method, path, answer.StatusCode, got)
	}
	if answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s %s: may be stored", method, path)
	}
	if got := answer.Header.Get("Holdfast-Coordinator"); got != c.ID() {
		t.Errorf("%s %s: the answer is of coordinator %q", method, path, got)
	}
	switch v := into.(type) {
	case *string:
		*v = string(raw)
	default:
		if err := json.NewDecoder(bytes.NewReader(raw)).Decode(into); err != nil {
			t.Errorf("%s %s: %s: %v", method, path, raw, err)
		}
	}
	return answer.StatusCode
}

type problem struct {
	Code   string `json:"code"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// startOf is the start with that counter, zero for none.
func startOf(incarnation uint64) partition.Start {
	return partition.Start{Incarnation: incarnation, ID: partition.StartID(incarnation)}
}

func join(t *testing.T, g *trio.Group, n int, store partition.StoreID, incarnation uint64, copies ...client.Copy) *client.Client {
	t.Helper()
	id := fmt.Sprintf("n%d", n)
	ctx, cancel := context.WithTimeout(t.Context(), trio.Patience)
	defer cancel()
	c, err := client.Join(ctx, client.Config{
		NodeID: partition.NodeID(id), Coordinators: g.Addrs(), PeerAddr: id + ":1", HTTPAddr: id + ":2",
		Store: store, Start: startOf(incarnation), Accepted: startOf(incarnation - 1), Copies: copies, ProposesItself: true, Network: g.Network.Host(id),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestHTTPBeforeAndAfterPlacement(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Settings = partition.Settings{Partitions: 4, ReplicationFactor: 1}
	g.Start("c1")
	var p problem
	if code := ask(t, g.Member("c1"), "GET", "/readyz", "", &p); code != 503 || !strings.Contains(p.Detail, "c2") {
		t.Errorf("%d %+v", code, p)
	}
	g.Start("c2", "c3")
	leader := g.Leader()
	for _, id := range g.IDs {
		c := g.Member(id)
		trio.Eventually(t, id+" to be ready", func() bool { return ask(t, c, "GET", "/readyz", "", new(string)) == 200 })
		if code := ask(t, c, "GET", "/v1/locate/a", "", &p); code != 503 || !strings.Contains(p.Detail, "waits for 1 nodes, has 0") {
			t.Errorf("%d %+v", code, p)
		}
	}
	n := join(t, g, 1, 7, 1)
	trio.Eventually(t, "placement", func() bool { return n.Map().Placed() })
	for _, id := range g.IDs {
		c := g.Member(id)
		trio.Eventually(t, id+" to have it", func() bool { return c.Map().Placed() })
		var all mapjson.Partitions
		var one mapjson.Partition
		var nodes mapjson.Nodes
		var cluster mapjson.Cluster
		var place, binary mapjson.Location
		ask(t, c, "GET", "/v1/partitions", "", &all)
		ask(t, c, "GET", "/v1/partitions/partition-2", "", &one)
		ask(t, c, "GET", "/v1/cluster", "", &cluster)
		ask(t, c, "GET", "/v1/locate/a%2Fb/%7Bc%7D", "", &place)
		ask(t, c, "GET", "/v1/locate/%FF%FE", "", &binary)
		trio.Eventually(t, "the node to be live", func() bool {
			ask(t, c, "GET", "/v1/nodes", "", &nodes)
			return len(nodes.Nodes) == 1 && nodes.Nodes[0].State == "live"
		})
		if len(all.Partitions) != 4 || all.Version != c.Map().Version || one.ID != 2 || one.Primary != "n1" {
			t.Errorf("%+v %+v", all, one)
		}
		if cluster.Leader != leader.ID() || len(cluster.Coordinators) != 3 || cluster.Application != "holdfast" || cluster.ID == "" ||
			cluster.Settings.Partitions != 4 {
			t.Errorf("%+v", cluster)
		}
		for _, v := range cluster.Coordinators {
			if (v.State == "leader") != (v.ID == leader.ID()) || v.HTTPAddr != g.Member(v.ID).HTTPAddr() {
				t.Errorf("%+v", v)
			}
		}
		if want := partition.Of([]byte("a/b/{c}"), 4); string(place.Bytes()) != "a/b/{c}" || place.Partition != want || place.Primary != "n1" {
			t.Errorf("%+v", place)
		}
		if string(binary.Bytes()) != "\xff\xfe" {
			t.Errorf("a key that is not UTF-8 is told as %q", binary.Bytes())
		}
		var text string
		if code := ask(t, c, "GET", "/metrics", "", &text); code != 200 || !strings.Contains(text, `holdfast_coordinator_nodes{coordinator="`+id) {
			t.Errorf("%d %s", code, text)
		}
	}
	for _, test := range []struct {
		method, path, body, code string
		status                   int
	}{
		{"GET", "/v1/nothing", "", "no-such-route", 404}, {"PUT", "/v1/nodes", "", "method-not-allowed", 405},
		{"GET", "/v1/partitions/9", "", "no-such-partition", 404}, {"GET", "/v1/partitions/x", "", "bad-partition", 400},
		{"GET", "/v1/locate/", "", "bad-key", 400}, {"GET", "/v1/locate/" + strings.Repeat("k", 1025), "", "bad-key", 400},
		{"POST", "/v1/recover", "{", "bad-request", 400}, {"POST", "/v1/recover", "{}", "bad-request", 400},
		{"POST", "/v1/recover", `{"partition":1,"extra":2}`, "bad-request", 400},
		{"POST", "/v1/recover", `{"partition":1}`, "refused", 409}, {"POST", "/v1/recover", `{"partition":99}`, "refused", 409},
		{"POST", "/v1/rebalance", `{"throttle":-5}`, "refused", 409}, {"POST", "/v1/rebalance", `{"at_once":-2}`, "refused", 409},
		{"POST", "/v1/rebalance", `{"throttle":9000000000000000000}`, "refused", 409}, {"POST", "/v1/rebalance", `{"throttle":10}`, "refused", 409},
		{"POST", "/v1/rebalance", `{"at_once_each":9000000000000000000}`, "refused", 409},
	} {
		if code := ask(t, leader, test.method, test.path, test.body, &p); code != test.status || p.Code != test.code || p.Status != test.status {
			t.Errorf("%s %s %s: %d %+v", test.method, test.path, test.body, code, p)
		}
	}
	// None of it is in the Raft log, where all would stop at it.
	var done coordinator.Ordered
	if code := ask(t, leader, "POST", "/v1/rebalance", `{"throttle":65536}`, &done); code != 200 || done.Rebalance.Throttle != 65536 {
		t.Errorf("%d %+v", code, done)
	}
}

func TestAnyCoordinatorRecoversAPartition(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Settings = partition.Settings{Partitions: 2, ReplicationFactor: 2, MinInSync: 2}
	g.Start()
	leader := g.Leader()
	follower := g.Member("c1")
	if leader.ID() == "c1" {
		follower = g.Member("c2")
	}
	n1, n2 := join(t, g, 1, 1, 1), join(t, g, 2, 2, 1)
	trio.Eventually(t, "placement", func() bool { return n1.Map().Placed() && n2.Map().Placed() })
	of := func(id partition.ID) *partition.Configuration { c, _ := n2.Map().Partition(id); return c }
	_ = n1.Close()
	trio.Eventually(t, "n1 to be taken out", func() bool { return of(0).Primary == "n2" && len(of(0).Replicas) == 1 })

	// Below min-in-sync nothing was committed since: n1 is eligible.
	copies := []client.Copy{{Partition: 0, Epoch: 1, Lineage: of(0).Lineage}, {Partition: 1, Epoch: 1, Lineage: of(1).Lineage}}
	back := join(t, g, 1, 1, 2, copies...)
	var p problem
	if code := ask(t, follower, "POST", "/v1/recover", `{"partition":0}`, &p); code != 409 || !strings.Contains(p.Detail, "live primary") {
		t.Errorf("%d %+v", code, p)
	}
	_ = n2.Close()
	var r coordinator.Recovery
	trio.Eventually(t, "n2 to be suspected", func() bool { return ask(t, follower, "POST", "/v1/recover", `{"partition":0}`, &r) == 200 })
	now := func(id partition.ID) *partition.Configuration { c, _ := back.Map().Partition(id); return c }
	if !r.Done || r.Node != "n1" || r.MayLose != "nothing" {
		t.Errorf("%+v", r)
	}
	trio.Eventually(t, "n1 to be primary", func() bool { return now(0).Primary == "n1" })

	// The other one the hard way: first it says what may be lost.
	before := now(1)
	r = coordinator.Recovery{}
	if code := ask(t, follower, "POST", "/v1/unsafe-recover", `{"partition":1,"node":"n1"}`, &r); code != 200 || r.Done || r.MayLose == "" || r.Next == "" {
		t.Errorf("%d %+v", code, r)
	}
	if code := ask(t, follower, "POST", "/v1/unsafe-recover", `{"partition":1,"node":"n1","confirm":true}`, &r); code != 200 || !r.Done {
		t.Errorf("%d %+v", code, r)
	}
	trio.Eventually(t, "n1 to be primary", func() bool { return now(1).Primary == "n1" })
	if before.Primary == "n1" || now(1).Lineage == before.Lineage {
		t.Errorf("from %+v to %+v", before, now(1))
	}
	var remembered struct {
		Overrides []struct {
			Unsafe    bool         `json:"unsafe"`
			Partition partition.ID `json:"partition"`
		} `json:"overrides"`
	}
	if ask(t, leader, "GET", "/v1/overrides", "", &remembered); len(remembered.Overrides) != 2 || remembered.Overrides[0].Unsafe || !remembered.Overrides[1].Unsafe {
		t.Errorf("%+v", remembered)
	}
	if code := ask(t, follower, "POST", "/v1/unsafe-recover", `{"partition":1,"node":"n9"}`, &p); code != 409 {
		t.Errorf("%d %+v", code, p)
	}

	// With everybody dead nobody is promoted: the partition would only wait for another one.
	epoch := now(0).Epoch
	_ = back.Close()
	trio.Eventually(t, "recover to refuse", func() bool {
		return ask(t, follower, "POST", "/v1/recover", `{"partition":0}`, &p) == 409 && strings.Contains(p.Detail, "nobody is live")
	})
	if c, _ := leader.Map().Partition(0); c.Epoch != epoch {
		t.Errorf("epoch %d, was %d", c.Epoch, epoch)
	}
}
