package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rules are those of the program's side that a world may leave out. The zero value
// keeps all of them.
type rules struct {
	learnersGetNoWrites bool // writes go to the replicas in sync only
	copiesAtOnce        bool // a learner copies when the map shows it, not when the copy is opened
	nothingIsFenced     bool // receivers do not ask Accept
	noTakeover          bool // a new primary brings nobody to what it has
	copiesOverwrite     bool // a copied value replaces one with a higher sequence
}

// world is a cluster of servers with what harms them.
type world struct {
	t       *testing.T
	g       *trio.Group
	without rules
	history history
	began   time.Time

	mu    sync.Mutex
	nodes map[partition.NodeID]*node // those that run
}

// node is a running server.
type node struct {
	*server
	http  *httptest.Server
	store partition.StoreID
	start partition.Start
	rest  context.CancelFunc // ends what the test does in the server's name
	wg    sync.WaitGroup
}

func newWorld(t *testing.T, without rules, nodes int) *world {
	w := &world{t: t, g: trio.New(t, 3), without: without, began: time.Now(), nodes: map[partition.NodeID]*node{}}
	w.history.acked = map[string]uint64{}
	w.g.Start()
	t.Cleanup(func() {
		for _, n := range w.all() {
			n.end()
		}
	})
	for n := 1; n <= nodes; n++ {
		w.start(name(n), nil)
	}
	w.whole("after the start")
	return w
}

func name(n int) partition.NodeID { return partition.NodeID(fmt.Sprintf("n%d", n)) }

// pause lets time pass, until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// slow delays requests at random; what is copied takes longer.
type slow struct {
	http.RoundTripper
	writes time.Duration // so much at most
}

func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/write") {
		pause(r.Context(), rand.N(s.writes))
	}
	answer, err := s.RoundTripper.RoundTrip(r)
	if strings.HasSuffix(r.URL.Path, "/copy") {
		pause(r.Context(), 50*time.Millisecond+rand.N(100*time.Millisecond))
	}
	return answer, err
}

func (s slow) CloseIdleConnections() { s.RoundTripper.(*http.Transport).CloseIdleConnections() }

// start starts a server: with what it had, as from a disk, or with nothing.
func (w *world) start(id partition.NodeID, with *node) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), trio.Patience)
	defer cancel()
	var handler http.Handler
	var ready sync.WaitGroup
	ready.Add(1)
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ready.Wait()
		handler.ServeHTTP(rw, r)
	}))
	n := &node{http: web, store: partition.StoreID(1 + rand.Uint64N(1<<62)), start: partition.Start{Incarnation: 1, ID: partition.StartID(1 + rand.Uint64N(1<<62))}}
	config := client.Config{
		NodeID: id, Coordinators: w.g.Addrs(), PeerAddr: string(id) + ":1", Network: w.g.Network.Host(string(id)), Logger: trio.Logger(w.t),
	}
	if with != nil {
		n.store, n.start.Incarnation = with.store, with.start.Incarnation+1
		config.Accepted, config.Copies = with.start, with.inSync()
	}
	config.Store, config.Start = n.store, n.start
	s, err := join(ctx, config, strings.TrimPrefix(web.URL, "http://"))
	if err != nil {
		w.t.Fatal(err)
	}
	s.http.Transport = slow{s.http.Transport, 8 * time.Millisecond}
	if w.without.copiesAtOnce { // then a write that is under way is what is missing
		s.http.Transport = slow{s.http.Transport.(slow).RoundTripper, 100 * time.Millisecond}
	}
	n.server = s
	if with != nil {
		for i := range s.copies {
			s.copies[i].since, s.copies[i].values = with.copies[i].since, with.copies[i].content()
		}
	}
	w.leaveOut(n)
	handler = s.handler()
	ready.Done()
	w.mu.Lock()
	w.nodes[id] = n
	w.mu.Unlock()
}

// inSync are the copies that the server had whole when it ended.
func (n *node) inSync() (out []client.Copy) {
	m := n.client.Map()
	for i := range m.Partitions {
		if p := &m.Partitions[i]; p.InSync(n.client.NodeID()) {
			out = append(out, client.Copy{Partition: p.ID, Epoch: p.Epoch, Lineage: p.Lineage})
		}
	}
	return out
}

// leaveOut registers the hooks of a server, and takes the rules from it that this
// world is without.
func (w *world) leaveOut(n *node) {
	if w.without.learnersGetNoWrites {
		n.targets = func(one *client.Write) []*client.Node { return n.client.GetReplicas(one.Partition) }
	}
	if w.without.nothingIsFenced {
		for i := range n.copies {
			n.copies[i].accept = func(partition.Epoch) error { return nil }
		}
	}
	if !w.without.noTakeover {
		n.client.OnTakeover(n.takeOver)
	}
	learn := n.learn
	if w.without.copiesOverwrite {
		learn = func(ctx context.Context, e client.PartitionEvent) error {
			content := map[blob]value{}
			if err := n.ask(ctx, e.CopyFrom, e.Partition, "copy", nil, &content); err != nil {
				return err
			}
			own := &n.copies[e.Partition]
			own.mu.Lock()
			defer own.mu.Unlock()
			own.values = content
			return nil
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	n.rest = stop
	if w.without.copiesAtOnce {
		n.wg.Go(func() { n.copyAtOnce(ctx) })
		learn = func(_ context.Context, e client.PartitionEvent) error {
			own := &n.copies[e.Partition]
			own.mu.Lock()
			defer own.mu.Unlock()
			if own.since == 0 {
				return errOlder // not copied yet
			}
			return nil
		}
	}
	n.client.OnPartitionEvent(learn)
	n.wg.Go(func() { n.proposeSelf(ctx) })
}

// copyAtOnce copies each partition when the map shows this node as a learner of it.
func (n *node) copyAtOnce(ctx context.Context) {
	for ctx.Err() == nil {
		version := n.client.Map().Version
		for i := range n.copies {
			p, err := n.client.GetPartitionByID(partition.ID(i))
			if err != nil || n.client.GetPrimary(p) == nil || !p.Configuration.IsLearner(n.client.NodeID()) || n.copies[i].since > 0 {
				continue
			}
			content := map[blob]value{}
			if n.ask(ctx, n.client.GetPrimary(p), p.Number, "copy", nil, &content) == nil {
				_ = n.copies[i].replace(state{Epoch: p.Epoch, Sequence: 1, Values: content})
			}
		}
		_ = n.client.WaitMap(ctx, version)
	}
}

// proposeSelf has a learner propose itself, as if its hook's nil were the proposal.
// Nothing may come of it: only the primary proposes.
func (n *node) proposeSelf(ctx context.Context) {
	for ctx.Err() == nil {
		version := n.client.Map().Version
		for i := range n.copies {
			p, err := n.client.GetPartitionByID(partition.ID(i))
			if err != nil || !p.Configuration.IsLearner(n.client.NodeID()) {
				continue
			}
			if self, named := n.client.Self(); named {
				n.client.Propose(withReplica(p, self))
			}
		}
		_ = n.client.WaitMap(ctx, version)
	}
}

// end ends the server as a crash would, but for the connections.
func (n *node) end() {
	n.rest()
	n.http.CloseClientConnections()
	n.server.close()
	n.wg.Wait()
	n.http.Close()
}

// kill ends a server, and returns what is left of it.
func (w *world) kill(id partition.NodeID) *node {
	w.mu.Lock()
	n := w.nodes[id]
	delete(w.nodes, id)
	w.mu.Unlock()
	n.end()
	return n
}

func (w *world) all() []*node {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*node
	for _, n := range w.nodes {
		out = append(out, n)
	}
	return out
}

// any is one of the servers that run.
func (w *world) any() *node {
	all := w.all()
	return all[rand.IntN(len(all))]
}

// whole waits until every partition has all its replicas, nothing moves, and all
// servers know.
func (w *world) whole(when string) {
	w.t.Helper()
	trio.Eventually(w.t, "all replicas to be there "+when, func() bool {
		version := uint64(0)
		for _, n := range w.all() {
			m := n.client.Map()
			if version == 0 {
				version = m.Version
			}
			h := n.client.Health()
			if !m.Placed() || len(m.Moves) > 0 || h.Degraded > 0 || h.Headless > 0 || m.Version != version {
				return false
			}
		}
		return true
	})
}
