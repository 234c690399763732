package client_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

// A server that is behind gives a map from before the one that the client has: it
// changes nothing.
func TestDirectRoutingDoesNotGoBackToAnOlderMap(t *testing.T) {
	t.Parallel()
	m := newMapped(t, "n1", "n2")
	m.version, m.primary = 2, "n2"
	c := m.client(t, "n1")
	put := func() string {
		t.Helper()
		w, err := c.Put(t.Context(), "k", []byte("v"))
		if err != nil {
			t.Fatal(err)
		}
		return w.Way.Node
	}
	if at := put(); at != "n2" {
		t.Fatalf("the first write is at %s", at)
	}
	m.mu.Lock()
	m.version, m.primary = 1, "n1" // n2 says that it is a replica, so the map is asked for
	m.mu.Unlock()
	before := m.maps.Load()
	for deadline := time.Now().Add(10 * time.Second); m.maps.Load() < before+3; {
		if at := put(); at != "n2" {
			t.Fatalf("a map of version 1 came after version 2, and a write went to %s", at)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the map was asked for %d times", m.maps.Load()-before)
		}
	}
	m.mu.Lock()
	m.version = 3
	m.mu.Unlock()
	for deadline := time.Now().Add(10 * time.Second); put() != "n1"; {
		if time.Now().After(deadline) {
			t.Fatal("a newer map does not count")
		}
	}
}

// Where the map cannot be had, requests go on, and the servers are not asked for it
// with each of them.
func TestTheMapIsNotAskedForAllTheTime(t *testing.T) {
	t.Parallel()
	var maps atomic.Int64
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/v1/kv/") {
			maps.Add(1)
			problem(http.StatusNotFound, "no-such-route")(w, r)
			return
		}
		done(w, r)
	})
	c, err := client.New(client.Config{Servers: []string{url}, Timeout: 5 * time.Second, Routing: client.Direct})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start := time.Now()
	const writes = 200
	for n := range writes {
		if _, err := c.Put(t.Context(), fmt.Sprint(n), nil); err != nil {
			t.Fatal(err)
		}
	}
	if most := 2 + int64(time.Since(start)/(100*time.Millisecond)); maps.Load() > most {
		t.Errorf("the map was asked for %d times in %v, want at most %d", maps.Load(), time.Since(start), most)
	}
}
