package processtest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// What is stored is what was sent, byte for byte, by whichever way it goes in and
// comes out; and what would store something else is refused by every node.
func TestWhatIsReadIsWhatWasSent(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 4, Partitions: 16})
	var clients []*client.Client
	for _, routing := range []client.Routing{client.ServerSide, client.Direct} {
		d, err := client.New(client.Config{Servers: c.HTTPAddresses(), Spread: true, Routing: routing})
		must(t, err)
		t.Cleanup(d.Close)
		clients = append(clients, d)
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, text := range []string{
		"\xff", "\xfe", "\ufffd", "\xff\xfe\xfd", "a\xffb", "\xed\xa0\x80", "a b", "a+b", "a%2Fb", "a/b", "//", "..", "a/../b", "?#", "{t}x", string(all[1:]), string(all),
	} {
		key, value := text, []byte("of "+text)
		if strings.Contains(text, "\x00") { // a command line has none
			_, err := clients[0].Put(t.Context(), key, value)
			must(t, err)
		} else {
			command(t, "put", key, string(value), "--server", c.Nodes[i%4].HTTP)
			if out := command(t, "get", key, "--server", c.Nodes[(i+1)%4].HTTP); !bytes.Equal(out, value) {
				t.Errorf("%q reads as %q on the command line", key, out)
			}
		}
		for _, d := range clients {
			for range 4 {
				if v, err := d.Get(t.Context(), key); err != nil || !bytes.Equal(v.Data, value) {
					t.Fatalf("%q reads as %+v, %v", key, v, err)
				}
			}
			l, err := d.Locate(t.Context(), key)
			if err != nil || string(l.Bytes()) != key {
				t.Errorf("%q is located as %q, %v", key, l.Bytes(), err)
			}
		}
	}
	must(t, func() error { _, err := clients[0].Put(t.Context(), "whole", []byte("the whole value")); return err }())
	for _, n := range c.Nodes {
		for field, value := range map[string]string{"Content-Range": "bytes 4-8/15", "Content-Encoding": "gzip", "If-Unmodified-Since": "Mon, 30 Nov 2026 00:00:00 GMT"} {
			status, header, text := ask(t, http.MethodPut, "http://"+n.HTTP+"/v1/kv/whole", "whole", field, value)
			if status/100 != 4 || header.Get("Holdfast-Node") != n.Name {
				t.Errorf("%s takes a PUT with %s: %d %s", n.Name, field, status, text)
			}
		}
		if status, _, text := ask(t, http.MethodGet, "http://"+n.HTTP+"/v1/kv/whole", "", "Range", "bytes=4-8"); status != 200 || text != "the whole value" {
			t.Errorf("%s has %d %q", n.Name, status, text)
		}
	}
}

// command runs the program, and returns what it printed.
func command(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary(t), args...)
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("%q: %v: %s", args, err, errOut.Bytes())
	}
	return out.Bytes()
}

// A proxy that hands a write on and then answers with a page of its own, be it an
// error or a success, has no part in what the client reports.
func TestAProxysPagesTellNothing(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Partitions: 16})
	node, err := url.Parse("http://" + c.Nodes[0].HTTP)
	must(t, err)
	var requests atomic.Int64
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	forward := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(node) }}
	serve := func(lost func(request int64) (status int)) *client.Client {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status := lost(requests.Add(1)); status != 0 {
				forward.ServeHTTP(httptest.NewRecorder(), r) // its answer is lost
				w.WriteHeader(status)
				return
			}
			forward.ServeHTTP(w, r)
		}))
		t.Cleanup(proxy.Close)
		d, err := client.New(client.Config{Servers: []string{proxy.URL}, Timeout: 500 * time.Millisecond})
		must(t, err)
		t.Cleanup(d.Close)
		return d
	}
	for _, status := range []int{200, 201, 404, 412, 500, 502, 503, 504} {
		key := fmt.Sprintf("page-%d", status)
		// Every other answer is lost: the write is applied once, and reported as it is.
		d := serve(func(n int64) int { return int(n%2) * status })
		requests.Store(0)
		w, err := d.Put(t.Context(), key, []byte("v"), client.IfAbsent())
		if err != nil || !w.Created || w.Way.Attempts != 2 {
			t.Errorf("%d: %+v, %v", status, w, err)
		}
		requests.Store(0)
		if v, err := d.Get(t.Context(), key); err != nil || string(v.Data) != "v" || v.ETag != w.ETag {
			t.Errorf("%d: read %+v, %v", status, v, err)
		}
		// All are lost: nobody knows.
		d = serve(func(int64) int { return status })
		if _, err := d.Delete(t.Context(), key); !errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("%d: %v", status, err)
		}
		if v, err := d.Get(t.Context(), key); v != nil || errors.Is(err, client.ErrNotFound) || !errors.Is(err, client.ErrNotApplied) {
			t.Errorf("%d: read %+v, %v", status, v, err)
		}
	}
}
