package processtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// Bad requests, random bytes at every port and stalled clients: clear errors,
// no crash, and service goes on.
func TestHostileClients(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Partitions: 16})
	serving := func(t *testing.T) {
		t.Helper()
		d, err := client.New(client.Config{Servers: c.HTTPAddresses(), Spread: true})
		must(t, err)
		defer d.Close()
		for i := range 30 {
			key := fmt.Sprintf("k%d", i)
			_, err := d.Put(t.Context(), key, []byte("v"))
			must(t, err)
			v, err := d.Get(t.Context(), key)
			if err != nil || string(v.Data) != "v" {
				t.Fatalf("get: %v, %v", v, err)
			}
		}
		for _, m := range c.Members() {
			if !m.Running() {
				t.Fatalf("%s is gone:\n%s", m.Name, m.LogTail(30))
			}
		}
	}
	t.Run("bad requests", func(t *testing.T) { badRequests(t, c.Nodes[0].HTTP); serving(t) })
	t.Run("random bytes", func(t *testing.T) { randomBytes(t, c); serving(t) })
	t.Run("stalled uploads", func(t *testing.T) {
		defer stalledUploads(t, c.Nodes[0].HTTP)()
		serving(t)
	})
	t.Run("half a header", func(t *testing.T) {
		for range 100 {
			conn := dial(t, c.Nodes[1].HTTP)
			defer conn.Close()
			if _, err := io.WriteString(conn, "GET /v1/kv/a HTTP/1.1\r\nHo"); err != nil {
				t.Fatal(err)
			}
		}
		serving(t)
	})
	t.Run("the way to the next test", serving)
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	must(t, err)
	return conn
}

func badRequests(t *testing.T, address string) {
	for _, c := range []struct {
		request string
		status  int
		code    string
	}{
		{"GET /v1/kv/ HTTP/1.1\r\nHost: x\r\n\r\n", 400, "empty-key"},
		{"GET /v1/kv/" + strings.Repeat("a", 1025) + " HTTP/1.1\r\nHost: x\r\n\r\n", 400, "key-too-long"},
		{"GET /v1/kv/a?timeout=soon HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad-timeout"},
		{"GET /v1/kv/a?consistency=maybe HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad-consistency"},
		{"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nIf-Match: nonsense\r\nContent-Length: 1\r\n\r\nv", 400, "bad-etag"},
		{"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nContent-Length: 8388609\r\n\r\n", 413, "value-too-large"},
		{"PATCH /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n", 405, "method-not-allowed"},
		{"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no-such-route"},
		{"GET /v1/kv/absent HTTP/1.1\r\nHost: x\r\n\r\n", 404, "key-not-found"},
		{"GET /v1/partitions/9999 HTTP/1.1\r\nHost: x\r\n\r\n", 404, "no-such-partition"},
	} {
		conn := dial(t, address)
		must(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err := io.WriteString(conn, c.request)
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		var p struct {
			Code, Detail string
			Status       int
		}
		err = json.NewDecoder(resp.Body).Decode(&p)
		if err != nil || resp.StatusCode != c.status || p.Code != c.code || p.Status != c.status || p.Detail == "" ||
			resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%.60q: %d %+v, %v; want %d %s", c.request, resp.StatusCode, p, err, c.status, c.code)
		}
		conn.Close()
	}
}

// randomBytes sends noise to every port, some of it behind a plausible start.
func randomBytes(t *testing.T, c *cluster.Cluster) {
	random := rand.New(rand.NewPCG(1, 2))
	starts := []string{"", "GET /v1/kv/", "PUT /v1/kv/a HTTP/1.1\r\nContent-Length: ", "\x00\x00\x00\x10", "\x01", "\x02\x00\x00\x00\x00", "\xff\xff\xff\xff"}
	for _, m := range c.Members() {
		for _, address := range []string{m.HTTP, m.Peer} {
			for i := range 40 {
				conn := dial(t, address)
				noise := make([]byte, random.IntN(4096))
				for j := range noise {
					noise[j] = byte(random.Uint32())
				}
				// The other side may hang up at any byte.
				_ = conn.SetDeadline(time.Now().Add(200 * time.Millisecond))
				_, _ = conn.Write(append([]byte(starts[i%len(starts)]), noise...))
				if i%4 == 0 {
					_, _ = conn.Read(make([]byte, 64))
				}
				conn.Close()
			}
		}
	}
}

// stalledUploads begins 500 uploads that do not go on.
func stalledUploads(t *testing.T, address string) (end func()) {
	var conns []net.Conn
	for i := range 500 {
		conn := dial(t, address)
		conns = append(conns, conn)
		_, err := fmt.Fprintf(conn, "PUT /v1/kv/stalled-%d HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\nbegin", i)
		must(t, err)
	}
	return func() {
		for _, conn := range conns {
			conn.Close()
		}
	}
}
