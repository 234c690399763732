package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a server that names itself as nodes do, and counts its requests.
func serve(t *testing.T, handler http.HandlerFunc) (url string, requests *atomic.Int32) {
	t.Helper()
	return serveForeign(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Holdfast-Node", "n1")
		handler(w, r)
	})
}

// serveForeign runs a server of something that is no node.
func serveForeign(t *testing.T, handler http.HandlerFunc) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, requests
}

func newClient(t *testing.T, servers ...string) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Servers: servers, Timeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// done answers as a node does that has done what it was asked.
func done(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodDelete:
		w.Header().Set("Holdfast-Existed", "true")
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("ETag", `"0000002a-7"`)
	}
}

func problem(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"status":%d,"code":%q,"detail":"so it is"}`, status, code)
	}
}

// nowhere is an address that nothing listens on.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

func TestOperationsSayWhatTheyAsk(t *testing.T) {
	t.Parallel()
	var saw *http.Request
	var body string
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		saw, body = r, string(b)
		w.Header().Set("ETag", `"0000002a-7"`)
		w.Header().Set("Holdfast-Node", "n4")
		w.Header().Set("Holdfast-Partition", "partition-12")
		w.Header().Set("Holdfast-Route", "n4 > n2 (primary)")
		switch r.Method {
		case http.MethodPut:
			w.WriteHeader(http.StatusCreated)
		case http.MethodDelete:
			w.Header().Set("Holdfast-Existed", "true")
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Write([]byte("the value"))
		}
	})
	c := newClient(t, url)
	v, err := c.Get(t.Context(), "a/b c%", client.Stale(), client.Explain())
	if err != nil || string(v.Data) != "the value" || v.ETag != `"0000002a-7"` || v.Way.Node != "n4" || v.Way.Route != "n4 > n2 (primary)" || v.Way.Attempts != 1 {
		t.Fatalf("%+v, %v", v, err)
	}
	if saw.URL.EscapedPath() != "/v1/kv/a%2Fb%20c%25" || saw.URL.Query().Get("consistency") != "stale" || saw.Header.Get("Holdfast-Explain") != "1" {
		t.Errorf("get asked for %s %v", saw.URL, saw.Header)
	}
	if wait, err := time.ParseDuration(saw.URL.Query().Get("timeout")); err != nil || wait > 2*time.Second || wait < time.Second {
		t.Errorf("the server may wait %v, %v", wait, err)
	}
	w, err := c.Put(t.Context(), "k", []byte("v"), client.IfMatch(`"1-1"`, `"1-2"`))
	if err != nil || !w.Created || w.ETag != `"0000002a-7"` || body != "v" || saw.Header.Get("If-Match") != `"1-1", "1-2"` {
		t.Errorf("put: %+v, %v, body %q, %v", w, err, body, saw.Header)
	}
	if _, err = c.Put(t.Context(), "k", nil, client.IfAbsent()); err != nil || saw.Header.Get("Content-Length") != "0" || saw.Header.Get("If-None-Match") != "*" {
		t.Errorf("empty put: %v, length %d, %v", err, saw.ContentLength, saw.Header)
	}
	if _, err = c.Put(t.Context(), "k", []byte("v"), client.TTL(90*time.Second)); err != nil || saw.URL.Query().Get("ttl") != "1m30s" {
		t.Errorf("put with a TTL: %v, %s", err, saw.URL)
	}
	if d, err := c.Delete(t.Context(), "k", client.IfExists()); err != nil || !d.Existed || saw.Header.Get("If-Match") != "*" {
		t.Errorf("delete: %+v, %v", d, err)
	}
}

// What each answer means, and whether another server is asked.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		first        http.HandlerFunc
		read, write  error // nil: the second server's answer
		asksElsehere bool
	}{
		{"not found", problem(404, "key-not-found"), client.ErrNotFound, client.ErrNotFound, false},
		{"no such route", problem(404, "no-such-route"), client.ErrNotApplied, client.ErrNotApplied, false},
		{"precondition", problem(412, "precondition-failed"), client.ErrPrecondition, client.ErrPrecondition, false},
		{"too large", problem(413, "value-too-large"), client.ErrNotApplied, client.ErrNotApplied, false},
		{"disk full", problem(507, "disk-full"), nil, nil, true},
		{"unavailable", problem(503, "unavailable"), nil, nil, true},
		{"overloaded", problem(429, "overloaded"), nil, nil, true},
		{"outcome unknown", problem(504, "outcome-unknown"), nil, nil, true},
		{"cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, nil, true},
		{"in progress", problem(409, "in-progress"), nil, nil, true},
		{"key reused", problem(422, "idempotency-key-reused"), client.ErrNotApplied, client.ErrNotApplied, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			first, _ := serve(t, c.first)
			second, asked := serve(t, done)
			if _, err := newClient(t, first, second).Get(t.Context(), "k"); !errors.Is(err, c.read) {
				t.Errorf("read: %v, want %v", err, c.read)
			}
			if got := asked.Load() > 0; got != c.asksElsehere {
				t.Errorf("read asked another server: %v", got)
			}
			before := asked.Load()
			_, err := newClient(t, first, second).Put(t.Context(), "k", []byte("v"))
			if !errors.Is(err, c.write) {
				t.Errorf("write: %v, want %v", err, c.write)
			}
			if got := asked.Load() > before; got != (c.write == nil) {
				t.Errorf("write asked another server: %v", got)
			}
		})
	}
}

// A write of unknown outcome goes out again under the same Idempotency-Key, and
// only success is believed then: what a later attempt is told says nothing of the
// first, which may still be on its way.
func TestOnlySuccessIsBelievedAfterAnUnknownOutcome(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		then http.HandlerFunc
		want error
	}{
		{"applied", done, nil},
		{"precondition", problem(412, "precondition-failed"), client.ErrOutcomeUnknown},
		{"too large", problem(413, "value-too-large"), client.ErrOutcomeUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			keys := make(chan string, 2)
			seen := func(then http.HandlerFunc) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					keys <- r.Header.Get("Idempotency-Key")
					then(w, r)
				}
			}
			first, _ := serve(t, seen(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
			second, _ := serve(t, seen(test.then))
			if _, err := newClient(t, first, second).Put(t.Context(), "k", []byte("v")); !errors.Is(err, test.want) {
				t.Errorf("%v, want %v", err, test.want)
			}
			if a, b := <-keys, <-keys; a != b || len(a) < 16 {
				t.Errorf("keys %q and %q", a, b)
			}
		})
	}
}

func TestEveryWriteHasAKeyOfItsOwn(t *testing.T) {
	t.Parallel()
	keys := make(chan string, 1)
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		done(w, r)
	})
	c := newClient(t, url)
	put := func(options ...client.Option) string {
		if _, err := c.Put(t.Context(), "k", []byte("v"), options...); err != nil {
			t.Fatal(err)
		}
		return <-keys
	}
	remove := func(options ...client.Option) string {
		if _, err := c.Delete(t.Context(), "k", options...); err != nil {
			t.Fatal(err)
		}
		return <-keys
	}
	seen := map[string]bool{}
	for _, options := range [][]client.Option{
		nil, nil, {client.IfMatch(`"0000002a-1"`)}, {client.IfExists()}, {client.IfAbsent()}, {client.Explain()},
	} {
		for _, key := range []string{put(options...), remove(options...), put(append(options, client.TTL(time.Minute))...)} {
			if len(key) < 16 || seen[key] {
				t.Errorf("with %d options a write has the key %q, which is short or another's", len(options), key)
			}
			seen[key] = true
		}
	}
	for _, got := range []string{put(client.IdempotencyKey("mine"), client.IfAbsent()), remove(client.IdempotencyKey("mine"))} {
		if got != "mine" {
			t.Errorf("key %q", got)
		}
	}
	if _, err := c.Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if got := <-keys; got != "" {
		t.Errorf("a read has the key %q", got)
	}
}

func TestAServerThatIsNotThereIsPassedOver(t *testing.T) {
	t.Parallel()
	url, asked := serve(t, done)
	c := newClient(t, nowhere(t), url)
	w, err := c.Put(t.Context(), "k", []byte("v"))
	if err != nil || w.Way.Attempts != 2 || asked.Load() != 1 {
		t.Errorf("%+v, %v", w, err)
	}
	alone := newClient(t, nowhere(t))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := alone.Put(ctx, "k", []byte("v")); !errors.Is(err, client.ErrNotApplied) {
		t.Errorf("what was never sent was not applied: %v", err)
	}
}

func TestFailFastWaitsForNobody(t *testing.T) {
	t.Parallel()
	c, err := client.New(client.Config{Servers: []string{nowhere(t), nowhere(t)}, FailFast: true, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Get(t.Context(), "k"); !errors.Is(err, client.ErrNotApplied) {
		t.Errorf("%v", err)
	}
}

func TestAWriteThatGetsNoAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	stalled, _ := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	other, asked := serve(t, done)
	t.Cleanup(func() { close(release) })
	c := newClient(t, stalled, other)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := c.Put(ctx, "k", []byte("v")); !errors.Is(err, client.ErrOutcomeUnknown) || asked.Load() != 0 {
		t.Errorf("%v, and %d requests elsewhere", err, asked.Load())
	}
}

// A server without room says when to come again, and a client does, unless its
// deadline comes first.
func TestAServerWithoutRoomIsLeftAlone(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{429: "overloaded", 507: "disk-full"} {
		var requests atomic.Int32
		url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 1 {
				w.Header().Set("Retry-After", "1")
				problem(status, code)(w, r)
				return
			}
			done(w, r)
		})
		w, err := newClient(t, url).Put(t.Context(), "k", nil)
		if err != nil || w.Way.Attempts != 2 || w.Way.Took < time.Second {
			t.Errorf("%d: %+v, %v", status, w, err)
		}
		requests.Store(0)
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		var e *client.Error
		if _, err := newClient(t, url).Put(ctx, "k", nil); !errors.As(err, &e) || e.Status != status || e.RetryAfter != time.Second || !errors.Is(err, client.ErrNotApplied) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestAWaitingServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) < 4 {
			problem(503, "not-ready")(w, r)
			return
		}
		done(w, r)
	})
	if w, err := newClient(t, url).Put(t.Context(), "k", nil); err != nil || w.Way.Attempts != 4 {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestSpreadBeginsWithEachServerInTurn(t *testing.T) {
	t.Parallel()
	a, askedA := serve(t, done)
	b, askedB := serve(t, done)
	c, err := client.New(client.Config{Servers: []string{a, b}, Spread: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 10 {
		if _, err := c.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
	}
	if askedA.Load() != 5 || askedB.Load() != 5 {
		t.Errorf("%d and %d requests", askedA.Load(), askedB.Load())
	}
}

func TestNewReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := client.New(client.Config{Servers: []string{"ftp://x:1", "http://a/b"}, Timeout: -1})
	if err == nil || !strings.Contains(err.Error(), "ftp") || !strings.Contains(err.Error(), "/b") || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("%v", err)
	}
	if _, err := client.New(client.Config{}); err == nil {
		t.Error("no server")
	}
}

// A server that says "not applied" just before the deadline is believed: one
// more attempt, cut off by the deadline, could only make that an unknown outcome.
func TestNoWriteIsTriedAgainJustBeforeTheDeadline(t *testing.T) {
	t.Parallel()
	url, requests := serve(t, func(w http.ResponseWriter, r *http.Request) {
		wait, err := time.ParseDuration(r.URL.Query().Get("timeout"))
		if err != nil {
			t.Error(err)
		}
		io.Copy(io.Discard, r.Body)
		timer := time.NewTimer(wait)
		defer timer.Stop()
		<-timer.C
		problem(http.StatusServiceUnavailable, "unavailable")(w, r)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	_, err := newClient(t, url).Put(ctx, "k", []byte("v"))
	var e *client.Error
	if !errors.Is(err, client.ErrNotApplied) || !errors.As(err, &e) || e.Status != 503 {
		t.Errorf("got %v", err)
	}
	if n := requests.Load(); n != 1 {
		t.Errorf("%d attempts", n)
	}
}
