package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

// mapped is a cluster of servers that know a map of one partition, and count the
// requests for keys.
type mapped struct {
	mu      sync.Mutex
	version int
	primary string
	urls    map[string]string
	asked   map[string]*atomic.Int32
	maps    atomic.Int32
}

func newMapped(t *testing.T, names ...string) *mapped {
	t.Helper()
	m := &mapped{version: 1, primary: names[0], urls: map[string]string{}, asked: map[string]*atomic.Int32{}}
	for _, name := range names {
		m.asked[name] = &atomic.Int32{}
		url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) { m.handle(name, w, r) })
		m.urls[name] = url
	}
	return m
}

func (m *mapped) handle(name string, w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch r.URL.Path {
	case "/v1/partitions":
		m.maps.Add(1)
		fmt.Fprintf(w, `{"version":%d,"partitions":[{"id":0,"epoch":%d,"primary":%q,"replicas":["n1","n2"]}]}`, m.version, m.version, m.primary)
	case "/v1/nodes":
		var nodes []string
		for id, url := range m.urls {
			nodes = append(nodes, fmt.Sprintf(`{"id":%q,"store_id":"0000000000000001","duty":"full","http_addr":%q}`, id, strings.TrimPrefix(url, "http://")))
		}
		fmt.Fprintf(w, `{"version":%d,"nodes":[%s]}`, m.version, strings.Join(nodes, ","))
	default:
		m.asked[name].Add(1)
		role := map[string]string{"n1": "replica", "n2": "replica"}[name]
		if name == m.primary {
			role = "primary"
		} else if role == "" {
			role = "none"
		}
		w.Header().Set("Holdfast-Role", role)
		w.Header().Set("Holdfast-Node", name)
		done(w, r)
	}
}

func (m *mapped) client(t *testing.T, servers ...string) *client.Client {
	t.Helper()
	var urls []string
	for _, name := range servers {
		urls = append(urls, m.urls[name])
	}
	c, err := client.New(client.Config{Servers: urls, Timeout: 5 * time.Second, Routing: client.Direct})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (m *mapped) counts() string {
	return fmt.Sprint(m.asked["n1"].Load(), m.asked["n2"].Load(), m.asked["n3"].Load())
}

func TestDirectRoutingAsksTheRightNodeAtOnce(t *testing.T) {
	t.Parallel()
	m := newMapped(t, "n1", "n2", "n3")
	c := m.client(t, "n3")
	for range 4 {
		if w, err := c.Put(t.Context(), "k", []byte("v")); err != nil || w.Way.Role != "primary" {
			t.Fatalf("%+v, %v", w, err)
		}
	}
	if got := m.counts(); got != "4 0 0" {
		t.Errorf("four writes went to n1, n2 and n3 so often: %s", got)
	}
	for range 4 {
		if _, err := c.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.counts(); got != "6 2 0" {
		t.Errorf("with four reads: %s", got)
	}
	if got := m.maps.Load(); got != 1 {
		t.Errorf("the map was asked for %d times", got)
	}
}

func TestDirectRoutingFollowsTheMap(t *testing.T) {
	t.Parallel()
	m := newMapped(t, "n1", "n2", "n3")
	c := m.client(t, "n3")
	put := func() string {
		w, err := c.Put(t.Context(), "k", []byte("v"))
		if err != nil {
			t.Fatal(err)
		}
		return w.Way.Node
	}
	if at := put(); at != "n1" {
		t.Fatalf("the first write is at %s", at)
	}
	m.mu.Lock()
	m.version, m.primary = 2, "n2"
	m.mu.Unlock()
	put() // n1 forwards it, and says that it is a replica
	deadline := time.Now().Add(5 * time.Second)
	for put() != "n2" {
		if time.Now().After(deadline) {
			t.Fatal("the primary moved, and writes still go to where it was")
		}
	}
}

func TestDirectRoutingDoesWithoutTheMap(t *testing.T) {
	t.Parallel()
	url, requests := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/kv/") {
			problem(http.StatusNotFound, "no-such-route")(w, r)
			return
		}
		done(w, r)
	})
	c, err := client.New(client.Config{Servers: []string{url}, Timeout: 2 * time.Second, Routing: client.Direct})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Put(t.Context(), "k", nil); err != nil || requests.Load() == 0 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

func TestDirectRoutingPassesOverADeadNode(t *testing.T) {
	t.Parallel()
	m := newMapped(t, "n1", "n2", "n3")
	m.urls["n1"] = "http://" + nowhere(t)
	c := m.client(t, "n3")
	for range 3 {
		w, err := c.Put(t.Context(), "k", nil)
		if err != nil || w.Way.Node != "n3" || w.Way.Attempts > 2 {
			t.Fatalf("%+v, %v", w, err)
		}
	}
}
