package gateway

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// script answers attempts one after another; the last answer goes on.
func script(ends ...end) func(partition.NodeID, replica.Operation, func(replica.Answer, Sent)) {
	next := 0 // one request at a time
	return func(_ partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
		last := ends[min(next, len(ends)-1)]
		next++
		last.answer.Epoch = op.Epoch
		go done(last.answer, last.sent)
	}
}

func outcomeIs(o replica.Outcome) end {
	a := end{answer: replica.Answer{Outcome: o, Lineage: lineage}, sent: Certain}
	if o == replica.Done {
		a.answer.Result.Sequence = 9
	}
	return a
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	lost, never := end{sent: MaybeSent}, end{sent: NeverSent}
	for _, test := range []struct {
		name, method string
		ends         []end
		status       int
		code         string
	}{
		{"retried until it is reached", "PUT", []end{never, never, outcomeIs(replica.Done)}, 201, ""},
		{"lost, then joined", "PUT", []end{lost, outcomeIs(replica.Done)}, 201, ""},
		{"lost", "PUT", []end{lost, never}, 504, "outcome-unknown"},
		{"logged", "DELETE", []end{outcomeIs(replica.Unknown)}, 504, "outcome-unknown"},
		{"never reached", "PUT", []end{never}, 503, "unavailable"},
		{"timed out at the primary", "DELETE", []end{outcomeIs(replica.TimedOut)}, 503, "unavailable"},
		{"lost, then 412 in the same epoch", "PUT", []end{lost, outcomeIs(replica.PreconditionFailed)}, 504, "outcome-unknown"},
		{"a read whose attempts are lost", "GET", []end{lost}, 503, "unavailable"},
		{"a read after a lost lease", "GET", []end{outcomeIs(replica.Expired), outcomeIs(replica.Found)}, 200, ""},
		{"a disk that fails", "GET", []end{outcomeIs(replica.Failed)}, 503, "unavailable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFake("n4")
			f.send = script(test.ends...)
			timeout := "100ms"
			if test.status < 300 {
				timeout = "30s"
			}
			r := serve(t, f, Limits{}).do(test.method, "/v1/kv/a?timeout="+timeout, "").want(t, test.status, test.code)
			if (r.Header.Get("Retry-After") != "") != (test.status == 503) {
				t.Errorf("Retry-After %q with %d", r.Header.Get("Retry-After"), test.status)
			}
		})
	}
}

func TestRequestsWaitForAPrimary(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	f.setMap(fakeMap(2, 2, ""))
	n := serve(t, f, Limits{})
	r := n.do("PUT", "/v1/kv/a?timeout=30ms", "v").want(t, 503, "unavailable")
	if !strings.Contains(string(r.body), "had no primary within 30ms") {
		t.Errorf("%s", r.body)
	}
	status := make(chan int, 1)
	go func() { status <- n.do("PUT", "/v1/kv/a", "v").StatusCode }()
	f.setMap(fakeMap(3, 2, ""))
	f.setMap(fakeMap(4, 3, "n3"))
	if got := <-status; got != 201 {
		t.Fatalf("status %d", got)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if op := f.sent[0]; op.Epoch != 3 || op.Request.Counter == 0 || op.Deadline == 0 {
		t.Fatalf("sent %+v", op)
	}
}

func TestBeforePlacement(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	n := serve(t, f, Limits{})
	m := fakeMap(2, 1, "")
	m.Partitions, m.Nodes = nil, m.Nodes[:2]
	f.setMap(m)
	for _, path := range []string{"/v1/kv/a", "/v1/partitions/1", "/v1/locate/a"} {
		if r := n.do("GET", path, "").want(t, 503, "unavailable"); !strings.Contains(string(r.body), "waits for 3 nodes, has 2") {
			t.Errorf("%s: %s", path, r.body)
		}
	}
	n.do("PUT", "/v1/kv/a", "v").want(t, 503, "unavailable")
	n.do("GET", "/v1/partitions", "").want(t, 200, "")
	f.m.Store(nil)
	for _, path := range []string{"/v1/kv/a", "/v1/partitions", "/v1/nodes", "/v1/cluster", "/v1/locate/a"} {
		n.do("GET", path, "").want(t, 503, "unavailable")
	}
}

// TestSilentPrimary: an attempt that gets no answer is given up when another
// node has become primary, and the next one is answered; the first may end
// whenever it likes.
func TestSilentPrimary(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	late := make(chan func(), 1)
	f.send = func(to partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
		if to == "n2" {
			f.setMap(fakeMap(2, 2, "n3"))
			late <- func() { done(replica.Answer{Outcome: replica.Unknown}, Certain) }
			return
		}
		done(f.apply(&op), Certain)
	}
	n := serve(t, f, Limits{})
	n.do("PUT", "/v1/kv/a", "value").want(t, 201, "")
	if n.gateway.bodies.TryAcquire(n.gateway.limits.Bodies) {
		t.Fatal("the body's memory is given back while n2's attempt has it")
	}
	(<-late)()
	eventually(t, "the body's memory is given back", func() bool { return n.gateway.bodies.TryAcquire(n.gateway.limits.Bodies) })
}

// TestHangUp: a client that leaves ends the wait, and not the write.
func TestHangUp(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	sent, answer := make(chan struct{}), make(chan struct{})
	f.send = func(_ partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
		go func() {
			close(sent)
			<-answer
			done(f.apply(&op), Certain)
		}()
	}
	n := serve(t, f, Limits{})
	ctx, hangUp := context.WithCancel(t.Context())
	go func() {
		<-sent
		hangUp()
	}()
	r, err := http.NewRequestWithContext(ctx, "PUT", n.url+"/v1/kv/a", strings.NewReader("value"))
	if err != nil {
		t.Fatal(err)
	}
	if a, err := n.client.Do(r); err == nil {
		a.Body.Close() //nolint:errcheck // the test has failed
		t.Fatal("an answer after the client left")
	}
	eventually(t, "the handler ends", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.open) == 0 })
	if n.gateway.bodies.TryAcquire(n.gateway.limits.Bodies) {
		t.Fatal("the body's memory is given back while the node has the body")
	}
	close(answer)
	eventually(t, "the body's memory is given back", func() bool { return n.gateway.bodies.TryAcquire(n.gateway.limits.Bodies) })
	f.mu.Lock()
	defer f.mu.Unlock()
	if string(f.table["a"].value) != "value" {
		t.Fatal("the write was lost")
	}
}

// TestCloseEndsWaits: what waits when the node stops is answered with what is
// known of it.
func TestCloseEndsWaits(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	f.setMap(fakeMap(2, 2, ""))
	n := serve(t, f, Limits{})
	answered := make(chan response, 1)
	go func() { answered <- n.do("PUT", "/v1/kv/a", "v") }()
	eventually(t, "the write waits", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.open) == 1 })
	if err := n.gateway.Close(); err != nil {
		t.Fatal(err)
	}
	if r := (<-answered).want(t, 503, "unavailable"); !strings.Contains(string(r.body), "stopping") {
		t.Fatalf("%s", r.body)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for end := time.Now().Add(10 * time.Second); !ok(); <-again.C {
		if time.Now().After(end) {
			t.Fatalf("not in 10 s: %s", what)
		}
	}
}
