package gateway

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

func TestKeyValue(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	n.do("GET", "/v1/kv/a", "").want(t, 404, "key-not-found")
	created := n.do("PUT", "/v1/kv/a", "one").want(t, 201, "")
	tag := created.Header.Get("ETag")
	if tag != `"0badcafe-1"` {
		t.Fatalf("ETag %q", tag)
	}
	got := n.do("GET", "/v1/kv/a", "").want(t, 200, "")
	for name, want := range map[string]string{
		"ETag": tag, "Content-Length": "3", "Cache-Control": "no-store", "Holdfast-Node": "n4", "Holdfast-Role": "none",
		"Holdfast-Partition": partition.Of([]byte("a"), 8).String(), "Content-Type": "application/octet-stream",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if string(got.body) != "one" {
		t.Fatalf("body %q", got.body)
	}
	if head := n.do("HEAD", "/v1/kv/a", "").want(t, 200, ""); len(head.body) != 0 || head.Header.Get("Content-Length") != "3" {
		t.Fatalf("HEAD: %q, %v", head.body, head.Header)
	}
	n.do("PUT", "/v1/kv/a", "").want(t, 200, "")
	if got := n.do("GET", "/v1/kv/a", "").want(t, 200, ""); len(got.body) != 0 {
		t.Fatalf("an empty value came back as %q", got.body)
	}
	if d := n.do("DELETE", "/v1/kv/a", "").want(t, 204, ""); d.Header.Get("Holdfast-Existed") != "true" {
		t.Fatalf("DELETE of a key with a value: %v", d.Header)
	}
	if d := n.do("DELETE", "/v1/kv/a", "").want(t, 204, ""); d.Header.Get("Holdfast-Existed") != "false" {
		t.Fatalf("DELETE of a key without: %v", d.Header)
	}
	n.do("HEAD", "/v1/kv/a", "").want(t, 404, "")
	if n.fake.mu.Lock(); len(n.fake.open) != 0 {
		t.Errorf("requests still open: %v", n.fake.open)
	}
	n.fake.mu.Unlock()
}

func TestConditions(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	first := n.do("PUT", "/v1/kv/k", "1", "If-None-Match", "*").want(t, 201, "").Header.Get("ETag")
	taken := n.do("PUT", "/v1/kv/k", "2", "If-None-Match", "*").want(t, 412, "precondition-failed")
	if taken.Header.Get("ETag") != first {
		t.Fatalf("412 says ETag %q, want the current one, %q", taken.Header.Get("ETag"), first)
	}
	second := n.do("PUT", "/v1/kv/k", "2", "If-Match", first).want(t, 200, "").Header.Get("ETag")
	n.do("PUT", "/v1/kv/k", "3", "If-Match", first).want(t, 412, "precondition-failed")
	n.do("PUT", "/v1/kv/k", "3", "If-Match", `"other", `+second).want(t, 200, "")
	n.do("PUT", "/v1/kv/k", "3", "If-Match", "*").want(t, 200, "")
	n.do("DELETE", "/v1/kv/k", "", "If-Match", first, "If-Match", second).want(t, 412, "")
	current := n.do("HEAD", "/v1/kv/k", "").Header.Get("ETag")
	n.do("GET", "/v1/kv/k", "", "If-None-Match", first).want(t, 200, "")
	if r := n.do("GET", "/v1/kv/k", "", "If-None-Match", first+`,W/`+current).want(t, 304, ""); r.Header.Get("ETag") != current {
		t.Fatalf("304 says ETag %q", r.Header.Get("ETag"))
	}
	n.do("GET", "/v1/kv/k", "", "If-Match", first).want(t, 412, "precondition-failed")
	n.do("PUT", "/v1/kv/k", "4", "If-Match", `W/`+current).want(t, 412, "precondition-failed")
	n.do("PUT", "/v1/kv/k", "4", "If-None-Match", current).want(t, 412, "precondition-failed")
	n.do("DELETE", "/v1/kv/k", "", "If-Match", current).want(t, 204, "")
	absent := n.do("PUT", "/v1/kv/k", "5", "If-Match", "*").want(t, 412, "precondition-failed")
	if absent.Header.Get("ETag") != "" {
		t.Fatalf("412 for an absent key says ETag %q", absent.Header.Get("ETag"))
	}
}

// TestKeys checks that a key is what was sent, whatever bytes it has.
func TestKeys(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	for path, key := range map[string]string{
		"a%2Fb": "a/b", "a/c": "a/c", "a//d/": "a//d/", "/e": "/e", "a/../f": "a/../f", "%2e%2E/./": ".././",
		"plus+plus": "plus+plus", "space%20": "space ", "%00%ff%0A": "\x00\xff\n", "%25%32%46": "%2F", "a;b,c=d": "a;b,c=d",
		"%7Btag%7D": "{tag}", "{tag}2": "{tag}2", "*": "*", "%C3%A9": "é", "a%3Fb": "a?b", "a%23b": "a#b", "http://x/y": "http://x/y",
		strings.Repeat("k", MaxKey): strings.Repeat("k", MaxKey), strings.Repeat("%2F", MaxKey): strings.Repeat("/", MaxKey),
	} {
		r, err := http.NewRequest("PUT", n.url, strings.NewReader("v"))
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque = "/v1/kv/" + path // goes out as it is
		if a := n.send1(r); a.StatusCode != 201 {
			t.Fatalf("%q: %d %s", path, a.StatusCode, a.body)
		}
		n.fake.mu.Lock()
		if got := string(n.fake.sent[len(n.fake.sent)-1].Key); got != key {
			t.Errorf("path %q: key %q, want %q", path, got, key)
		}
		n.fake.mu.Unlock()
	}
	n.do("GET", "/v1/kv/", "").want(t, 400, "empty-key")
	n.do("GET", "/v1/kv/"+strings.Repeat("k", MaxKey+1), "").want(t, 400, "key-too-long")
	n.do("GET", "/v1/kv", "").want(t, 404, "no-such-route")
	n.do("GET", "/v1%2Fkv/a", "").want(t, 404, "no-such-route")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{Value: 10, Bodies: 100})
	for _, test := range []struct {
		method, path, body string
		headers            []string
		status             int
		code               string
	}{
		{method: "GET", path: "/v1/kv/a?timeout=fast", status: 400, code: "bad-timeout"},
		{method: "GET", path: "/v1/kv/a?timeout=", status: 400, code: "bad-timeout"},
		{method: "GET", path: "/v1/kv/a?timeout=-1s", status: 400, code: "bad-timeout"},
		{method: "GET", path: "/v1/kv/a?timeout=0s", status: 400, code: "bad-timeout"},
		{method: "PUT", path: "/v1/kv/a?timeout=61s", status: 400, code: "bad-timeout"},
		{method: "GET", path: "/v1/kv/a?timeout=1s&timeout=2s", status: 400, code: "bad-parameter"},
		{method: "GET", path: "/v1/kv/a?timout=1s", status: 400, code: "bad-parameter"},
		{method: "GET", path: "/v1/kv/a?timeout=%zz", status: 400, code: "bad-parameter"},
		{method: "GET", path: "/v1/kv/a?consistency=eventual", status: 400, code: "bad-consistency"},
		{method: "PUT", path: "/v1/kv/a?consistency=stale", status: 400, code: "bad-consistency"},
		{method: "PUT", path: "/v1/kv/a?ttl=30", status: 400, code: "bad-ttl"},
		{method: "PUT", path: "/v1/kv/a?ttl=0s", status: 400, code: "bad-ttl"},
		{method: "PUT", path: "/v1/kv/a?ttl=1us", status: 400, code: "bad-ttl"},
		{method: "PUT", path: "/v1/kv/a?ttl=87601h", status: 400, code: "bad-ttl"},
		{method: "GET", path: "/v1/kv/a?ttl=30s", status: 400, code: "bad-ttl"},
		{method: "DELETE", path: "/v1/kv/a?ttl=30s", status: 400, code: "bad-ttl"},
		{method: "PUT", path: "/v1/kv/a", headers: []string{"Idempotency-Key", ""}, status: 400, code: "bad-idempotency-key"},
		{method: "PUT", path: "/v1/kv/a", headers: []string{"Idempotency-Key", strings.Repeat("x", 256)}, status: 400, code: "bad-idempotency-key"},
		{method: "DELETE", path: "/v1/kv/a", headers: []string{"Idempotency-Key", "caf\u00e9"}, status: 400, code: "bad-idempotency-key"},
		{method: "PUT", path: "/v1/kv/a", headers: []string{"If-Match", "abc"}, status: 400, code: "bad-etag"},
		{method: "PUT", path: "/v1/kv/a", headers: []string{"If-Match", ""}, status: 400, code: "bad-etag"},
		{method: "PUT", path: "/v1/kv/a", headers: []string{"If-Match", `"a" "b"`}, status: 400, code: "bad-etag"},
		{method: "PUT", path: "/v1/kv/a", headers: []string{"If-Match", `*, "b"`}, status: 400, code: "bad-etag"},
		{method: "PUT", path: "/v1/kv/a", headers: []string{"If-None-Match", `"open`}, status: 400, code: "bad-etag"},
		{method: "PUT", path: "/v1/kv/a", body: "12345678901", status: 413, code: "value-too-large"},
		{method: "POST", path: "/v1/kv/a", status: 405, code: "method-not-allowed"},
		{method: "PURGE", path: "/v1/kv/a", status: 405, code: "method-not-allowed"},
		{method: "PURGE", path: "/nothing", status: 404, code: "no-such-route"},
		{method: "DELETE", path: "/v1/nodes", status: 405, code: "method-not-allowed"},
		{method: "GET", path: "/v2/kv/a", status: 404, code: "no-such-route"},
		{method: "GET", path: "/", status: 404, code: "no-such-route"},
	} {
		r := n.do(test.method, test.path, test.body, test.headers...).want(t, test.status, test.code)
		var d details
		if err := json.Unmarshal(r.body, &d); err != nil || d.Status != test.status || d.Title == "" || d.Detail == "" || d.Type == "" {
			t.Errorf("%s %s: %s (%v)", test.method, test.path, r.body, err)
		}
		if test.status == 405 && !strings.Contains(r.Header.Get("Allow"), "GET, HEAD") {
			t.Errorf("%s %s: Allow %q", test.method, test.path, r.Header.Get("Allow"))
		}
	}
	n.do("PUT", "/v1/kv/a", "1234567890").want(t, 201, "")
	r, err := http.NewRequest("PUT", n.url+"/v1/kv/b", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", 11))})
	if err != nil {
		t.Fatal(err)
	}
	n.send1(r).want(t, 413, "value-too-large") // of unknown size
	r, err = http.NewRequest("PUT", n.url+"/v1/kv/b", struct{ *strings.Reader }{strings.NewReader(strings.Repeat("x", 10))})
	if err != nil {
		t.Fatal(err)
	}
	n.send1(r).want(t, 201, "")
}

func TestStaleReads(t *testing.T) {
	t.Parallel()
	f := newFake("n1")
	n := serve(t, f, Limits{})
	n.do("PUT", "/v1/kv/a", "v").want(t, 201, "")
	f.send = func(_ partition.NodeID, _ replica.Operation, done func(replica.Answer, Sent)) {
		done(replica.Answer{}, NeverSent)
	}
	if r := n.do("GET", "/v1/kv/a?consistency=stale", "", "Holdfast-Explain", "1").want(t, 200, ""); r.Header.Get("Holdfast-Route") != "n1 (replica)" {
		t.Fatalf("Holdfast-Route %q", r.Header.Get("Holdfast-Route"))
	}
	n.do("GET", "/v1/kv/a?consistency=linearizable&timeout=20ms", "").want(t, 503, "unavailable")
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ self, write, read string }{
		{"n4", "n4 > n2 (primary) > n1, n3", "n4 > n2 (primary)"},
		{"n2", "n2 (primary) > n1, n3", "n2 (primary)"},
		{"n1", "n1 > n2 (primary) > n1, n3", "n1 > n2 (primary)"},
	} {
		n := serve(t, newFake(partition.NodeID(test.self)), Limits{})
		w := n.do("PUT", "/v1/kv/a", "v", "Holdfast-Explain", "1").want(t, 201, "")
		r := n.do("GET", "/v1/kv/a", "v", "Holdfast-Explain", "1").want(t, 200, "")
		if got := w.Header.Get("Holdfast-Route"); got != test.write {
			t.Errorf("write at %s: %q, want %q", test.self, got, test.write)
		}
		if got := r.Header.Get("Holdfast-Route"); got != test.read {
			t.Errorf("read at %s: %q, want %q", test.self, got, test.read)
		}
		if got := w.Header.Get("Server-Timing"); !strings.HasPrefix(got, "body;dur=") {
			t.Errorf("Server-Timing %q", got)
		}
		if n.do("GET", "/v1/kv/a", "").Header.Get("Holdfast-Route") != "" {
			t.Error("a route that nobody asked for")
		}
	}
}
