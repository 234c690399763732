package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// cluster is some nodes in this process, with coordinators that the test plays.
type cluster struct {
	t       *testing.T
	trio    *trio
	network *transport.Memory
	client  *http.Client

	base  string // holds the data directories, and outlives the nodes
	tune  func(*Config)
	mu    sync.Mutex
	nodes map[partition.NodeID]*Node
	dirs  map[partition.NodeID]string
}

func newCluster(t *testing.T, nodes, partitions int) *cluster {
	t.Helper()
	return newTunedCluster(t, nodes, partitions, func(*Config) {})
}

func newTunedCluster(t *testing.T, nodes, partitions int, tune func(*Config)) *cluster {
	t.Helper()
	c := &cluster{
		tune: tune,
		t:    t, base: t.TempDir(), network: transport.NewMemory(), nodes: map[partition.NodeID]*Node{}, dirs: map[partition.NodeID]string{},
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 32}},
		trio: newTrio(&partition.Map{Version: 1, ClusterID: "test cluster", Settings: partition.Settings{
			Partitions: partitions, ReplicationFactor: min(nodes, 3), MinInSync: min(nodes, 2), ExpectNodes: nodes,
		}}),
	}
	c.trio.propose = c.judge
	t.Cleanup(func() {
		c.client.CloseIdleConnections()
		for id := range c.nodes {
			c.kill(id)
		}
	})
	var starting sync.WaitGroup
	for i := range nodes {
		id := partition.NodeID(fmt.Sprintf("n%d", i+1))
		c.wipe(id)
		starting.Go(func() { c.start(id) })
	}
	starting.Wait()
	c.trio.change(func(m *partition.Map) {
		slices.SortFunc(m.Nodes, func(a, b partition.Node) int { return strings.Compare(string(a.ID), string(b.ID)) })
		placed, err := partition.Place(m.Nodes, m.Settings, rand.Uint32)
		if err != nil {
			t.Error(err)
		}
		m.Partitions = placed
	})
	return c
}

// wipe gives a node an empty directory for its next start.
func (c *cluster) wipe(id partition.NodeID) {
	c.t.Helper()
	dir, err := os.MkdirTemp(c.base, string(id)+"-")
	if err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dirs[id] = dir
}

// start starts a node on its directory.
func (c *cluster) start(id partition.NodeID) {
	c.t.Helper()
	level := slog.LevelError
	if testing.Verbose() {
		level = slog.LevelDebug
	}
	c.mu.Lock()
	dir := c.dirs[id]
	c.mu.Unlock()
	config := Config{
		NodeID: id, DataDir: dir, HTTPAddr: "127.0.0.1:0", PeerAddr: string(id) + ":7071",
		Coordinators: []string{"none:1"}, Network: c.network.Host(string(id)),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})).With("node", string(id)),
	}
	c.tune(&config)
	n, err := start(context.Background(), config, c.trio.join)
	if err != nil {
		c.t.Errorf("start %s: %v", id, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[id] = n
}

// kill ends a node; the map does not change by that.
func (c *cluster) kill(id partition.NodeID) {
	c.t.Helper()
	c.mu.Lock()
	n := c.nodes[id]
	delete(c.nodes, id)
	c.mu.Unlock()
	if err := n.Close(); err != nil {
		c.t.Errorf("close %s: %v", id, err)
	}
}

// fail takes a node out of the in-sync replicas, as the coordinators do when
// they suspect it.
func (c *cluster) fail(id partition.NodeID) {
	c.trio.change(func(m *partition.Map) {
		for i := range m.Partitions {
			p := m.Partitions[i]
			var left []partition.Replica
			for _, r := range p.Replicas {
				if r.Node != id {
					left = append(left, r)
				}
			}
			if len(left) == len(p.Replicas) || len(left) == 0 {
				continue
			}
			primary := p.Primary
			if primary == id {
				primary = left[0].Node
			}
			m.Partitions[i] = next(m, p, primary, left)
		}
	})
}

// judge accepts a change if it was computed from the newest epoch.
func (c *cluster) judge(ch partition.Change) {
	c.trio.change(func(m *partition.Map) {
		if p := m.Partitions[ch.Partition]; p.Epoch == ch.Epoch {
			m.Partitions[ch.Partition] = next(m, p, ch.Primary, ch.Replicas)
		}
	})
}

// next is a partition's next configuration: who leaves the replicas becomes a
// learner with the store that its node has now.
func next(m *partition.Map, p partition.Configuration, primary partition.NodeID, replicas []partition.Replica) partition.Configuration {
	var learners []partition.Replica
	for _, r := range slices.Concat(p.Replicas, p.Learners) {
		if _, ok := partition.Find(replicas, r.Node); ok {
			continue
		}
		if n, ok := m.Node(r.Node); ok {
			learners = append(learners, partition.Replica{Node: n.ID, Store: n.Store})
		}
	}
	slices.SortFunc(learners, func(a, b partition.Replica) int { return strings.Compare(string(a.Node), string(b.Node)) })
	p.Epoch++
	p.Primary, p.Replicas, p.Learners = primary, replicas, learners
	return p
}

// whole reports whether every partition has all its replicas in sync.
func (c *cluster) whole() bool {
	c.trio.mu.Lock()
	defer c.trio.mu.Unlock()
	m := c.trio.current
	for _, p := range m.Partitions {
		if len(p.Replicas) < m.Settings.ReplicationFactor {
			return false
		}
	}
	return true
}

// do sends a request to a node and returns status and body.
func (c *cluster) do(to partition.NodeID, method, key string, body []byte) (int, string) {
	c.t.Helper()
	c.mu.Lock()
	n := c.nodes[to]
	c.mu.Unlock()
	request, err := http.NewRequestWithContext(context.Background(), method, "http://"+n.HTTPAddr()+"/v1/kv/"+key, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		c.t.Fatalf("%s %s at %s: %v", method, key, to, err)
	}
	defer response.Body.Close() //nolint:errcheck // read from only
	got, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatalf("%s %s at %s: %v", method, key, to, err)
	}
	return response.StatusCode, string(got)
}

// putAll writes keys from..to through the nodes in turn; checkAll reads each at
// every node.
func (c *cluster) putAll(from, to int, nodes ...partition.NodeID) {
	c.t.Helper()
	for i := from; i < to; i++ {
		at := nodes[i%len(nodes)]
		if status, body := c.do(at, http.MethodPut, fmt.Sprintf("key-%d", i), fmt.Appendf(nil, "value-%d", i)); status/100 != 2 {
			c.t.Fatalf("put key-%d at %s: %d %s", i, at, status, body)
		}
	}
}

func (c *cluster) checkAll(from, to int, nodes ...partition.NodeID) {
	c.t.Helper()
	for i := from; i < to; i++ {
		for _, at := range nodes {
			status, body := c.do(at, http.MethodGet, fmt.Sprintf("key-%d", i), nil)
			if want := fmt.Sprintf("value-%d", i); status != http.StatusOK || body != want {
				c.t.Fatalf("get key-%d at %s: %d %s, want %s", i, at, status, body, want)
			}
		}
	}
}

func TestAnyRequestAtAnyNode(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 8)
	all := []partition.NodeID{"n1", "n2", "n3"}
	c.putAll(0, 60, all...)
	c.checkAll(0, 60, all...)
	for _, id := range all {
		if status, _ := c.do(id, http.MethodDelete, "key-0", nil); status != http.StatusNoContent {
			t.Errorf("delete at %s: %d", id, status)
		}
		if status, _ := c.do(id, http.MethodGet, "key-0", nil); status != http.StatusNotFound {
			t.Errorf("get of a deleted key at %s: %d", id, status)
		}
	}
}

// TestEveryReplicaReads waits until each node has answered, from its own copy, a
// read of a key of each partition: none is primary of all.
func TestEveryReplicaReads(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 8)
	c.putAll(0, 60, "n1")
	for _, id := range []partition.NodeID{"n1", "n2", "n3"} {
		n := c.nodes[id]
		for i := range 60 {
			key := fmt.Appendf(nil, "key-%d", i)
			op := replica.Operation{Action: replica.Get, Partition: partition.Of(key, 8), Key: key}
			var a replica.Answer
			eventually(t, "a read from the copy at "+string(id), func() bool {
				read, result := n.slots.read(&op, now)
				a = read
				return result == readLocal
			})
			if want := fmt.Sprintf("value-%d", i); string(a.Value) != want {
				t.Fatalf("%s at %s: %q, want %q", key, id, a.Value, want)
			}
		}
	}
}

func TestNodeFailsAndComesBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 8)
	c.putAll(0, 40, "n1", "n2", "n3")
	c.kill("n2")
	c.fail("n2")
	c.putAll(40, 80, "n1", "n3")
	c.checkAll(0, 80, "n1", "n3")
	c.start("n2")
	eventually(t, "n2 in sync again", c.whole)
	c.checkAll(0, 80, "n1", "n2", "n3")
}

func TestWipedDiskIsRebuilt(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 8)
	c.putAll(0, 40, "n1", "n2", "n3")
	c.kill("n2")
	c.fail("n2")
	c.wipe("n2")
	c.start("n2")
	eventually(t, "n2 in sync again", c.whole)
	// As the primary, it answers from what it has received.
	c.toPrimary("n2")
	c.checkAll(0, 40, "n2")
}

func TestEveryProcessStopsAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 8)
	all := []partition.NodeID{"n1", "n2", "n3"}
	c.putAll(0, 40, all...)
	for _, id := range all {
		c.kill(id)
	}
	var starting sync.WaitGroup
	for _, id := range all {
		starting.Go(func() { c.start(id) })
	}
	starting.Wait()
	c.checkAll(0, 40, all...)
	c.putAll(40, 60, all...)
}

func TestNodeAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, 8)
	c.putAll(0, 20, "n1")
	c.checkAll(0, 20, "n1")
}

func TestNodeThatCannotGoOn(t *testing.T) {
	t.Parallel()
	told := make(chan error, 1)
	c := newTunedCluster(t, 1, 8, func(c *Config) { c.Failed = func(err error) { told <- err } })
	n := c.nodes["n1"]
	if n.Err() != nil {
		t.Fatal(n.Err())
	}
	broken := errors.New("the disk failed")
	n.fail(broken)
	n.fail(errors.New("and again"))
	<-n.Done()
	if err := <-told; !errors.Is(err, broken) || !errors.Is(n.Err(), broken) {
		t.Errorf("told %v, Err is %v; want %v", err, n.Err(), broken)
	}
	if err := (*backend)(n).Ready(); !errors.Is(err, broken) {
		t.Errorf("ready: %v, want the reason", err)
	}
}

// TestARepeatedWriteIsAppliedOnce repeats writes with their Idempotency-Key at
// every node: at once, after a fail-over, and after a restart of all.
func TestARepeatedWriteIsAppliedOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 4)
	all := []partition.NodeID{"n1", "n2", "n3"}
	put := func(at partition.NodeID, key, name, value string) (int, string) {
		c.mu.Lock()
		n := c.nodes[at]
		c.mu.Unlock()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+n.HTTPAddr()+"/v1/kv/"+key, strings.NewReader(value))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Idempotency-Key", name)
		response, err := c.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close() //nolint:errcheck // read from only
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, response.Header.Get("ETag")
	}
	tags := map[string]string{}
	for i := range 12 {
		key := fmt.Sprintf("key-%d", i)
		status, tag := put(all[i%3], key, "create "+key, "first")
		if status != http.StatusCreated {
			t.Fatalf("put %s: %d", key, status)
		}
		tags[key] = tag
		if status, _ := c.do("n1", http.MethodPut, key, []byte("second")); status != http.StatusOK {
			t.Fatalf("put %s again: %d", key, status)
		}
	}
	again := func(when string, at ...partition.NodeID) {
		t.Helper()
		for key, tag := range tags {
			for _, id := range at {
				if status, got := put(id, key, "create "+key, "first"); status != http.StatusCreated || got != tag {
					t.Fatalf("%s, %s repeated at %s: %d %s, first it was 201 %s", when, key, id, status, got, tag)
				}
				if status, _ := put(id, key, "create "+key, "other"); status != http.StatusUnprocessableEntity {
					t.Fatalf("%s, the key of %s with another value at %s: %d", when, key, id, status)
				}
				if _, got := c.do(id, http.MethodGet, key, nil); got != "second" {
					t.Fatalf("%s, %s is %q", when, key, got)
				}
			}
		}
	}
	again("at once", all...)
	c.kill("n2")
	c.fail("n2")
	again("without n2", "n1", "n3")
	c.wipe("n2")
	c.start("n2")
	eventually(t, "n2 in sync again, from snapshots", c.whole)
	for _, id := range all {
		c.kill(id)
	}
	for _, id := range all {
		c.start(id)
	}
	again("after a restart", all...)
}

// TestAValueEnds waits for the end of values, of which one is read meanwhile at
// every node, and another by nobody.
func TestAValueEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 4)
	for _, key := range []string{"read", "forgotten"} {
		if status, body := c.do("n1", http.MethodPut, key+"?ttl=300ms", []byte("v")); status != http.StatusCreated {
			t.Fatalf("put: %d %s", status, body)
		}
	}
	for _, id := range []partition.NodeID{"n1", "n2", "n3"} {
		eventually(t, "the end at "+string(id), func() bool {
			status, _ := c.do(id, http.MethodGet, "read", nil)
			return status == http.StatusNotFound
		})
	}
	at := partition.Of([]byte("forgotten"), 4)
	for _, n := range c.nodes {
		eventually(t, "no copy left", func() bool {
			_, _, found, err := n.slots[at].Load().table.Get([]byte("forgotten"))
			return err == nil && !found
		})
	}
}
