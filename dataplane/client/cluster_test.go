package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

func TestClusterReads(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"/v1/partitions":             `{"version":7,"partitions":[{"id":0,"epoch":2,"primary":"n1","replicas":["n1"]}]}`,
		"/v1/partitions/partition-3": `{"id":3,"epoch":4,"primary":"n2","replicas":["n1","n2"],"learners":["n3"]}`,
		"/v1/nodes":                  `{"version":7,"nodes":[{"id":"n1","store_id":"00000000000000ab","state":"live"}]}`,
		"/v1/cluster":                `{"id":"c","leader":"c2","settings":{"partitions":8}}`,
		"/v1/locate/a%2F%7Bb%7D":     `{"key":"a/{b}","partition":5,"primary":"n3"}`,
	}
	down, _ := serve(t, problem(503, "not-ready"))
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[r.URL.RequestURI()]
		if !ok {
			problem(404, "no-such-route")(w, r)
			return
		}
		fmt.Fprint(w, text) //nolint:errcheck // the client tells
	})
	c := newClient(t, down, url)
	if p, err := c.Partitions(t.Context()); err != nil || p.Version != 7 || p.Partitions[0].Primary != "n1" {
		t.Errorf("partitions: %+v, %v", p, err)
	}
	if p, err := c.Partition(t.Context(), 3); err != nil || p.Epoch != 4 || p.Learners[0] != "n3" {
		t.Errorf("partition: %+v, %v", p, err)
	}
	if n, err := c.Nodes(t.Context()); err != nil || n.Nodes[0].Store != 0xab {
		t.Errorf("nodes: %+v, %v", n, err)
	}
	if k, err := c.Cluster(t.Context()); err != nil || k.Leader != "c2" || k.Settings.Partitions != 8 {
		t.Errorf("cluster: %+v, %v", k, err)
	}
	if l, err := c.Locate(t.Context(), "a/{b}"); err != nil || l.Partition != 5 {
		t.Errorf("locate: %+v, %v", l, err)
	}
	var e *client.Error
	if _, err := c.Partition(t.Context(), 9); !errors.As(err, &e) || e.Code != "no-such-route" {
		t.Errorf("what is not there: %v", err)
	}
	html, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }) //nolint:errcheck // the client tells
	if _, err := newClient(t, html).Nodes(t.Context()); !errors.Is(err, client.ErrNotApplied) {
		t.Errorf("what is not JSON: %v", err)
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]client.Route{
		"n4 > n2 (primary) > n1, n3": {Receiver: "n4", Server: "n2", Role: "primary", Stored: []string{"n1", "n3"}},
		"n2 (primary) > n1, n3":      {Receiver: "n2", Server: "n2", Role: "primary", Stored: []string{"n1", "n3"}},
		"n4 > n2 (primary)":          {Receiver: "n4", Server: "n2", Role: "primary"},
		"n1 (replica)":               {Receiver: "n1", Server: "n1", Role: "replica"},
		"n2 (primary)":               {Receiver: "n2", Server: "n2", Role: "primary"},
	} {
		got, ok := client.Way{Route: text}.Parse()
		if !ok || got.Receiver != want.Receiver || got.Server != want.Server || got.Role != want.Role || !slices.Equal(got.Stored, want.Stored) {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	if r, ok := (client.Way{Node: "n1"}).Parse(); ok || r.Receiver != "n1" || r.Server != "" {
		t.Errorf("no way: %+v", r)
	}
}
