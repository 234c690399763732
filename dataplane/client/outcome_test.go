package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

// operations are all that a client can be asked, by name; each tells whether
// something was read.
var operations = map[string]struct {
	write bool
	do    func(ctx context.Context, c *client.Client) (read bool, err error)
}{
	"put": {true, func(ctx context.Context, c *client.Client) (bool, error) {
		w, err := c.Put(ctx, "k", []byte("v"))
		return w != nil, err
	}},
	"create": {true, func(ctx context.Context, c *client.Client) (bool, error) {
		w, err := c.Put(ctx, "k", nil, client.IfAbsent())
		return w != nil, err
	}},
	"delete": {true, func(ctx context.Context, c *client.Client) (bool, error) {
		d, err := c.Delete(ctx, "k")
		return d != nil, err
	}},
	"get": {false, func(ctx context.Context, c *client.Client) (bool, error) {
		v, err := c.Get(ctx, "k")
		return v != nil, err
	}},
	"nodes": {false, func(ctx context.Context, c *client.Client) (bool, error) {
		n, err := c.Nodes(ctx)
		return n != nil, err
	}},
	"locate": {false, func(ctx context.Context, c *client.Client) (bool, error) {
		l, err := c.Locate(ctx, "k")
		return l != nil, err
	}},
}

func page(status int, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		if status != http.StatusNoContent && status != http.StatusNotModified {
			io.WriteString(w, "<html>Please log in to the hotel's network</html>") //nolint:errcheck // the client tells
		}
	}
}

// Something between the client and the nodes gives answers of its own: pages,
// errors, logins. None of them is a node's word, whatever status they have: not
// for a value, not for "no such key", not for "applied" and not for "not applied".
func TestOnlyANodesAnswerCounts(t *testing.T) {
	t.Parallel()
	const tag = `"0000002a-7"`
	foreign := map[string]http.HandlerFunc{
		"with a copied problem": problem(503, "unavailable"), "no such key": problem(404, "key-not-found"),
		"precondition": problem(412, "precondition-failed"), "too large": problem(413, "value-too-large"), "done": done,
		"JSON": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "{}") }, //nolint:errcheck // the client tells
	}
	for _, status := range []int{200, 201, 202, 204, 206, 301, 302, 304, 400, 401, 403, 404, 407, 408, 409, 412, 413, 429, 431, 500, 501, 502, 503, 504, 505, 507} {
		foreign[fmt.Sprint(status)] = page(status, "ETag", tag, "Server", "nginx")
	}
	for name, handler := range foreign {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := serveForeign(t, handler)
			checkNoAnswer(t, url, name)
		})
	}
}

// What a node says counts in its documented form only: another form shows that
// something between has changed it, or that this client does not know it.
func TestOnlyDocumentedAnswersCount(t *testing.T) {
	t.Parallel()
	const tag = `"0000002a-7"`
	for name, handler := range map[string]http.HandlerFunc{
		"an error of no code":         page(502),
		"an internal error":           problem(500, "internal"),
		"unknown":                     problem(504, "outcome-unknown"),
		"success of no kind":          page(202, "ETag", tag, "Holdfast-Existed", "true"),
		"a part":                      page(206, "ETag", tag, "Content-Range", "bytes 0-48/1000"),
		"not modified":                page(304, "ETag", tag),
		"no ETag, not whether it was": page(200),
		"without a length": func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			fmt.Fprintf(c, "HTTP/1.0 200 OK\r\nHoldfast-Node: n1\r\nETag: %s\r\n\r\n{}", tag)
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(200)
			io.WriteString(w, "half a val") //nolint:errcheck // the client tells
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := serve(t, handler)
			checkNoAnswer(t, url, name)
		})
	}
	for name, headers := range map[string][]string{
		"packed":         {"ETag", tag, "Content-Encoding", "gzip"},
		"of no ETag":     nil,
		"a delete's":     {"Holdfast-Existed", "true"},
		"a coordinator'": {"Holdfast-Coordinator", "c1"},
	} {
		url, _ := serve(t, page(200, headers...))
		if v, err := get(t, url); v != nil || !errors.Is(err, client.ErrNotApplied) {
			t.Errorf("a value %s: %+v, %v", name, v, err)
		}
	}
	url, _ := serveForeign(t, page(200, "ETag", tag, "Holdfast-Coordinator", "c1"))
	if v, err := get(t, url); v != nil || !errors.Is(err, client.ErrNotApplied) {
		t.Errorf("a value of a coordinator: %+v, %v", v, err)
	}
}

func get(t *testing.T, url string) (*client.Value, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	return newClient(t, url).Get(ctx, "k")
}

// checkNoAnswer checks that no operation believes a server, alone or before
// another, whichever routing is used.
func checkNoAnswer(t *testing.T, url, name string) {
	t.Helper()
	var asking sync.WaitGroup
	for operation, o := range operations {
		for _, routing := range []client.Routing{client.ServerSide, client.Direct} {
			c, err := client.New(client.Config{Servers: []string{url}, Routing: routing})
			if err != nil {
				t.Fatal(err)
			}
			asking.Go(func() {
				defer c.Close()
				want := client.ErrNotApplied
				if o.write {
					want = client.ErrOutcomeUnknown
				}
				for timeout := 150 * time.Millisecond; ; timeout *= 4 {
					ctx, cancel := context.WithTimeout(t.Context(), timeout)
					read, err := o.do(ctx, c)
					cancel()
					var e *client.Error
					if errors.As(err, &e) && e.Status == 0 && o.write && !errors.Is(err, want) && timeout < time.Minute {
						continue // so busy a machine that it did not go out
					}
					if read || !errors.Is(err, want) {
						t.Errorf("%s, answered by %q alone: %v (something was read: %v), want %v", operation, name, err, read, want)
					}
					return
				}
			})
		}
	}
	asking.Wait()
	node, asked := serve(t, done)
	v, err := newClient(t, url, node).Get(t.Context(), "k")
	if err != nil || v.Way.Node != "n1" || asked.Load() != 1 {
		t.Errorf("%q, then a node: %+v, %v", name, v, err)
	}
	if w, err := newClient(t, url, node).Put(t.Context(), "k", nil); err != nil || w.Way.Attempts != 2 {
		t.Errorf("%q, then a node: %+v, %v", name, w, err)
	}
	refuses, _ := serve(t, problem(412, "precondition-failed"))
	if _, err := newClient(t, url, refuses).Put(t.Context(), "k", nil, client.IfAbsent()); !errors.Is(err, client.ErrOutcomeUnknown) {
		t.Errorf("%q, then a failed condition: %v, though the first attempt may have been applied", name, err)
	}
}

// With direct routing the map may lead to something that is no node: an address
// that was given to another machine.
func TestDirectRoutingBelievesOnlyNodes(t *testing.T) {
	t.Parallel()
	m := newMapped(t, "n1", "n2", "n3")
	m.urls["n1"], _ = serveForeign(t, page(200, "ETag", `"0000002a-7"`))
	c := m.client(t, "n3")
	w, err := c.Put(t.Context(), "k", nil)
	if err != nil || w.Way.Node != "n3" || w.Way.Attempts != 2 {
		t.Errorf("%+v, %v", w, err)
	}
	v, err := c.Get(t.Context(), "k")
	for i := 0; err == nil && i < 3; i++ {
		if len(v.Data) != 0 || v.Way.Node == "" {
			t.Fatalf("a page is taken for the value: %+v", v)
		}
		v, err = c.Get(t.Context(), "k")
	}
	if err != nil {
		t.Error(err)
	}
}

// A write with the caller's key may be another process's, which is being worked
// on: that is waited for, and what is told of this attempt is not told of it.
func TestAWriteThatIsInProgressIsWaitedFor(t *testing.T) {
	t.Parallel()
	inProgress := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "1")
		problem(409, "in-progress")(w, r)
	}
	for _, test := range []struct {
		name string
		then http.HandlerFunc // after two attempts
		want error
	}{
		{"until it ends", done, nil},
		{"until the deadline", inProgress, client.ErrOutcomeUnknown},
		{"then the condition fails", problem(412, "precondition-failed"), client.ErrOutcomeUnknown},
		{"then there is no primary", problem(503, "unavailable"), client.ErrOutcomeUnknown},
		{"then it is another request's", problem(422, "idempotency-key-reused"), client.ErrOutcomeUnknown},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var requests atomic.Int32
			url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if requests.Add(1) <= 2 {
					inProgress(w, r)
					return
				}
				test.then(w, r)
			})
			for operation, do := range map[string]func(*client.Client) error{
				"put": func(c *client.Client) error {
					_, err := c.Put(t.Context(), "k", nil, client.IdempotencyKey("mine"))
					return err
				},
				"delete": func(c *client.Client) error {
					_, err := c.Delete(t.Context(), "k", client.IdempotencyKey("mine"))
					return err
				},
			} {
				requests.Store(0)
				err := do(newClient(t, url))
				if !errors.Is(err, test.want) || errors.Is(err, client.ErrNotApplied) {
					t.Errorf("%s: %v, want %v", operation, err, test.want)
				}
				if err != nil && !strings.Contains(err.Error(), "so it is (409 in-progress)") {
					t.Errorf("%s: %q does not say what is in progress", operation, err)
				}
				if n := requests.Load(); n < 3 {
					t.Errorf("%s: given up after %d attempts", operation, n)
				}
			}
		})
	}
}

// net/http sends a request with an Idempotency-Key again by itself where a
// connection breaks that it has used before. What the second is told would then
// be taken for all that is known.
func TestABrokenConnectionIsNotHidden(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch requests.Add(1) {
		case 1:
			done(w, r)
		case 2:
			panic(http.ErrAbortHandler) // it may be applied in a moment
		default:
			problem(412, "precondition-failed")(w, r)
		}
	})
	for operation, do := range map[string]func(*client.Client) error{
		"put": func(c *client.Client) error {
			_, err := c.Put(t.Context(), "k", []byte("v"), client.IfExists())
			return err
		},
		"put nothing": func(c *client.Client) error {
			_, err := c.Put(t.Context(), "k", nil, client.IfExists())
			return err
		},
		"delete": func(c *client.Client) error {
			_, err := c.Delete(t.Context(), "k", client.IfExists())
			return err
		},
	} {
		requests.Store(0)
		c := newClient(t, url)
		if _, err := c.Get(t.Context(), "k"); err != nil {
			t.Fatal(err)
		}
		if err := do(c); !errors.Is(err, client.ErrOutcomeUnknown) || requests.Load() != 3 {
			t.Errorf("%s: %v after %d requests, want an unknown outcome after 3", operation, err, requests.Load())
		}
	}
}

// An argument that cannot be sent is refused at once, and none is replaced by
// another: a write whose name is empty by mistake would be applied twice.
func TestArgumentsAreSentAsTheyAre(t *testing.T) {
	t.Parallel()
	keys := make(chan string, 1)
	url, asked := serve(t, func(w http.ResponseWriter, r *http.Request) {
		key, named := r.Header["Idempotency-Key"]
		keys <- fmt.Sprint(key, named)
		problem(400, "bad-idempotency-key")(w, r)
	})
	c := newClient(t, url)
	if _, err := c.Put(t.Context(), "k", nil, client.IdempotencyKey("")); !errors.Is(err, client.ErrNotApplied) {
		t.Errorf("an empty key: %v", err)
	}
	if got := <-keys; got != "[] true" {
		t.Errorf("an empty key is sent as %s", got)
	}
	before := asked.Load()
	for name, option := range map[string]client.Option{"key": client.IdempotencyKey("a\nb"), "ETag": client.IfMatch("\"a\x00\"")} {
		start := time.Now()
		_, err := c.Put(t.Context(), "k", nil, option)
		if !errors.Is(err, client.ErrNotApplied) || !strings.Contains(err.Error(), "control character") || time.Since(start) > time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(start))
		}
	}
	if n := asked.Load(); n != before {
		t.Errorf("%d requests went out", n-before)
	}
}
