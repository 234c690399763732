package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const lineage = 0x0badcafe

// fake is a node, n4, of a cluster whose primary is n2 for every partition; it
// keeps the cluster's data in a table.
type fake struct {
	self    partition.NodeID
	m       atomic.Pointer[partition.Map]
	newMap  chan struct{} // closed when the map changes
	mu      sync.Mutex
	table   map[string]fakeValue
	last    uint64
	sent    []replica.Operation
	open    map[uint64]bool
	counter uint64
	// send, if set, takes the attempts in place of the table.
	send   func(to partition.NodeID, op replica.Operation, done func(replica.Answer, Sent))
	ready  error
	fenced atomic.Pointer[error]
}

type fakeValue struct {
	value    []byte
	sequence uint64
}

func newFake(self partition.NodeID) *fake {
	f := &fake{self: self, newMap: make(chan struct{}), table: map[string]fakeValue{}, open: map[uint64]bool{}}
	f.m.Store(fakeMap(1, 1, "n2"))
	return f
}

func fakeMap(version uint64, epoch partition.Epoch, primary partition.NodeID) *partition.Map {
	m := &partition.Map{Version: version, ClusterID: "c", Application: "holdfast",
		Settings: partition.Settings{Partitions: 8, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3}}
	for i := range 4 {
		id := partition.NodeID(fmt.Sprintf("n%d", i+1))
		m.Nodes = append(m.Nodes, partition.Node{ID: id, Store: partition.StoreID(i + 1), Incarnation: 1, HTTPAddr: "h:" + string(id)})
	}
	for i := range 8 {
		m.Partitions = append(m.Partitions, partition.Configuration{ID: partition.ID(i), Epoch: epoch, Lineage: lineage, Primary: primary,
			Replicas: []partition.Replica{{Node: "n1", Store: 1}, {Node: "n2", Store: 2}, {Node: "n3", Store: 3}}})
	}
	return m
}

func (f *fake) setMap(m *partition.Map) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.m.Store(m)
	close(f.newMap)
	f.newMap = make(chan struct{})
}

func (f *fake) Self() partition.NodeID { return f.self }
func (f *fake) Map() *partition.Map    { return f.m.Load() }
func (f *fake) Now() replica.Time      { return replica.Time(time.Since(started)) }
func (f *fake) Ready() error           { return f.ready }
func (f *fake) Fenced() error {
	if reason := f.fenced.Load(); reason != nil {
		return *reason
	}
	return nil
}

var started = time.Now()

func (f *fake) Coordinators() (string, []mapjson.Coordinator) {
	return "c1", []mapjson.Coordinator{{ID: "c1", PeerAddr: "p:c1", State: "leader"}}
}
func (f *fake) NodeState(partition.NodeID) string { return "live" }

func (f *fake) WaitMap(ctx context.Context, after uint64) error {
	for {
		f.mu.Lock()
		changed := f.newMap
		m := f.m.Load()
		f.mu.Unlock()
		if m != nil && m.Version > after {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fake) OpenRequest() (entry.RequestID, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.counter++
	f.open[f.counter] = true
	lowest := f.counter
	for c := range f.open {
		lowest = min(lowest, c)
	}
	return entry.RequestID{Origin: 4, Boot: 1, Counter: f.counter}, lowest
}

func (f *fake) CloseRequest(id entry.RequestID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, id.Counter)
}

func (f *fake) Read(op *replica.Operation) (replica.Answer, bool) {
	if f.self != f.m.Load().Partitions[op.Partition].Primary {
		return replica.Answer{}, false
	}
	return f.apply(op), true
}

func (f *fake) Stale(op *replica.Operation) (replica.Answer, bool) {
	if !f.m.Load().Partitions[op.Partition].InSync(f.self) {
		return replica.Answer{}, false
	}
	return f.apply(op), true
}

func (f *fake) Send(to partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
	f.mu.Lock()
	f.sent = append(f.sent, op)
	send := f.send
	f.mu.Unlock()
	if send != nil {
		send(to, op, done)
		return
	}
	done(f.apply(&op), Certain)
}

// apply does what a primary would.
func (f *fake) apply(op *replica.Operation) replica.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	old, existed := f.table[string(op.Key)]
	a := replica.Answer{Partition: op.Partition, Epoch: op.Epoch, Lineage: lineage, Result: entry.Result{Sequence: old.sequence, Existed: existed}}
	tag := entry.ETag{Lineage: lineage, Sequence: old.sequence}
	c := op.Condition
	switch {
	case op.Action == replica.Get && existed:
		a.Outcome, a.Value = replica.Found, old.value
	case op.Action == replica.Get:
		a.Outcome = replica.Absent
	case c.IfMatchAny && !existed, c.IfNoneMatchStar && existed,
		c.IfMatch != nil && !(existed && slices.Contains(c.IfMatch, tag)),
		existed && slices.Contains(c.IfNoneMatch, tag):
		a.Outcome = replica.PreconditionFailed
	case op.Action == replica.Put:
		f.last++
		f.table[string(op.Key)] = fakeValue{op.Value, f.last}
		a.Outcome, a.Result.Sequence = replica.Done, f.last
	case existed:
		f.last++
		delete(f.table, string(op.Key))
		a.Outcome, a.Result.Sequence = replica.Done, f.last
	default:
		a.Outcome = replica.Done
	}
	return a
}

// node is a gateway that serves a fake on a port of its own.
type node struct {
	*fake
	gateway *Gateway
	metrics *prometheus.Registry
	url     string
	client  *http.Client
	t       testing.TB
}

func serve(t testing.TB, f *fake, limits Limits) *node {
	t.Helper()
	registry := prometheus.NewRegistry()
	g, err := New(Options{Backend: f, Limits: limits, Registerer: registry, Gatherer: registry})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(l) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &node{fake: f, gateway: g, metrics: registry, url: "http://" + l.Addr().String(), client: &http.Client{Transport: transport}, t: t}
}

// response is an answer, read wholly.
type response struct {
	*http.Response
	body []byte
}

// do sends a request; path is sent as it is.
func (n *node) do(method, path string, body string, headers ...string) response {
	n.t.Helper()
	r, err := http.NewRequest(method, n.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return n.send1(r)
}

func (n *node) send1(r *http.Request) response {
	n.t.Helper()
	answer, err := n.client.Do(r)
	if err != nil {
		n.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read wholly
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return response{answer, b}
}

// want checks the status, and the code of a problem ("" for none).
func (r response) want(t testing.TB, status int, code string) response {
	t.Helper()
	if r.StatusCode != status || code != "" && !bytes.Contains(r.body, []byte(`"code":"`+code+`"`)) {
		t.Fatalf("%s %s: %d %s, want %d %s", r.Request.Method, r.Request.URL, r.StatusCode, r.body, status, code)
	}
	if isProblem := r.Header.Get("Content-Type") == "application/problem+json"; isProblem != (status >= 400) {
		t.Fatalf("%s %s: content type %q for status %d", r.Request.Method, r.Request.URL, r.Header.Get("Content-Type"), status)
	}
	return r
}

// attempts counts the operations that were sent to any node.
func (f *fake) attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sent)
}
