package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

// The caller's context ends an operation at once, whatever it waits for, and the
// error says so.
func TestAContextThatEndsIsTold(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	gone := errors.New("the user has gone")
	for name, handler := range map[string]http.HandlerFunc{
		"no primary": problem(503, "unavailable"),
		"overloaded": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "5")
			problem(429, "overloaded")(w, r)
		},
		"no answer": func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) //nolint:errcheck // or the end of the client is not noticed
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
		"half an answer": func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) //nolint:errcheck // as above
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(503)
			w.(http.Flusher).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
		"a page": page(502),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var servers []string
			for range 3 {
				url, _ := serve(t, handler)
				servers = append(servers, url)
			}
			var asking sync.WaitGroup
			defer asking.Wait()
			for _, servers := range [][]string{servers[:1], servers} {
				for operation, o := range operations {
					c, err := client.New(client.Config{Servers: servers, Timeout: time.Minute})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(c.Close)
					asking.Go(func() {
						start := time.Now()
						ctx, cancel := context.WithCancelCause(t.Context())
						timer := time.AfterFunc(100*time.Millisecond, func() { cancel(gone) })
						defer timer.Stop()
						_, err := o.do(ctx, c)
						if !errors.Is(err, context.Canceled) || !errors.Is(err, gone) || errors.Is(err, context.DeadlineExceeded) {
							t.Errorf("%s at %d servers, cancelled: %v", operation, len(servers), err)
						}
						if took := time.Since(start); took > 1500*time.Millisecond { // less than a server may be silent
							t.Errorf("%s at %d servers: %v until it ended", operation, len(servers), took)
						}
					})
					asking.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
						defer cancel()
						if _, err := o.do(ctx, c); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
							t.Errorf("%s at %d servers, at the deadline: %v", operation, len(servers), err)
						}
					})
				}
			}
		})
	}
}

// What ends an operation by itself is no context's end.
func TestAnOperationThatEndsByItselfTellsOfNoContext(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, problem(413, "value-too-large"))
	_, err := newClient(t, url).Put(t.Context(), "k", nil)
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "given up") {
		t.Errorf("%v", err)
	}
}
