package load_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-io/holdfast/scripts/internal/load"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store is a server with Holdfast's paths that keeps what it is given.
type store struct {
	mu     sync.Mutex
	values map[string]string
	broken bool // every third request fails
	count  int
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	key, ok := strings.CutPrefix(r.URL.Path, "/v1/kv/")
	switch {
	case !ok || err != nil:
		w.WriteHeader(http.StatusBadRequest)
	case s.broken && s.count%3 == 0:
		w.WriteHeader(http.StatusServiceUnavailable)
	case s.broken && s.count%7 == 0:
		panic(http.ErrAbortHandler)
	case r.Method == http.MethodPut:
		s.values[key] = string(body)
		w.WriteHeader(http.StatusCreated)
	case s.values[key] == "":
		w.WriteHeader(http.StatusNotFound)
	default:
		io.WriteString(w, s.values[key])
	}
}

func serve(t *testing.T, s *store) (address string) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestRunWritesEveryKeyAndReadsItBack(t *testing.T) {
	t.Parallel()
	s := &store{values: map[string]string{}}
	dialect, _ := load.DialectOf("holdfast")
	c := load.Config{Targets: []string{serve(t, s)}, Dialect: dialect, Connections: 7, Count: 500, Keys: 500, InOrder: true, ValueSize: 5000}
	result, err := load.Run(t.Context(), c)
	if err != nil || result.Failed() != 0 || result.Puts.Count() != 500 {
		t.Fatalf("%+v, %v", result, err)
	}
	s.mu.Lock()
	written := len(s.values)
	s.mu.Unlock()
	if written != 500 {
		t.Fatalf("%d keys were written", written)
	}
	c.Reads = 1
	result, err = load.Run(t.Context(), c)
	if err != nil || result.Failed() != 0 || result.Misses != 0 || result.Gets.Count() != 500 {
		t.Fatalf("%+v, %v", result, err)
	}
	c.KeyPrefix = "absent-"
	if result, err = load.Run(t.Context(), c); err != nil || result.Misses != 500 {
		t.Fatalf("misses %d, %v", result.Misses, err)
	}
}

func TestRunCountsFailuresAndGoesOn(t *testing.T) {
	t.Parallel()
	dialect, _ := load.DialectOf("holdfast")
	result, err := load.Run(t.Context(), load.Config{Targets: []string{serve(t, &store{values: map[string]string{}, broken: true})},
		Dialect: dialect, Connections: 3, Count: 300, Keys: 10})
	if err != nil || result.Errors["status 503"] == 0 || result.Errors["connection closed"] == 0 ||
		result.Operations()+result.Failed() != 300 {
		t.Fatalf("%d succeeded, failed %v, %v", result.Operations(), result.Errors, err)
	}
}

func TestRunEndsInTime(t *testing.T) {
	t.Parallel()
	stalled := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stalled }))
	defer server.Close()
	defer close(stalled)
	dialect, _ := load.DialectOf("holdfast")
	c := load.Config{Targets: []string{strings.TrimPrefix(server.URL, "http://")}, Dialect: dialect, Connections: 2,
		Duration: 20 * time.Millisecond, Keys: 1, Timeout: 50 * time.Millisecond}
	result, err := load.Run(t.Context(), c)
	if err != nil || result.Errors["timeout"] == 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = load.Run(ctx, c); err == nil {
		t.Error("a cancelled run says so")
	}
}

func TestRunRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	if _, err := load.Run(t.Context(), load.Config{Targets: []string{"nowhere"}}); err == nil {
		t.Fatal("no error")
	} else if text := err.Error(); !strings.Contains(text, "dialect") || !strings.Contains(text, "keys") || !strings.Contains(text, "nowhere") {
		t.Errorf("all faults at once: %v", err)
	}
}

// With a rate, requests begin when they are due, whether or not the server is quick,
// and count from then.
func TestRateIsKept(t *testing.T) {
	t.Parallel()
	s := &store{values: map[string]string{}}
	dialect, _ := load.DialectOf("holdfast")
	r, err := load.Run(t.Context(), load.Config{
		Targets: []string{serve(t, s)}, Dialect: dialect, Connections: 4, Threads: 2, Rate: 1000, Keys: 10, ValueSize: 10, Count: 200,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Operations() != 200 || r.Elapsed < 190*time.Millisecond {
		t.Errorf("%d requests in %v", r.Operations(), r.Elapsed)
	}
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(20 * time.Millisecond)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(slow.Close)
	r, err = load.Run(t.Context(), load.Config{
		Targets: []string{strings.TrimPrefix(slow.URL, "http://")}, Dialect: dialect, Connections: 1, Rate: 1000, Keys: 10, ValueSize: 10, Count: 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The last was due after 20 ms, and answered after 400: what made it wait counts.
	if got := r.Puts.Max(); got < 300*time.Millisecond {
		t.Errorf("the slowest of 20 took %v", got)
	}
}
