package dataplane

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// member is the node's client.
func (c *cluster) member(id partition.NodeID) *member {
	c.trio.mu.Lock()
	defer c.trio.mu.Unlock()
	for _, m := range c.trio.members {
		if m.config.NodeID == id {
			return m
		}
	}
	c.t.Fatalf("%s has not joined", id)
	return nil
}

// fence does what the client does that sees another start in the map.
func (m *member) fence(err error) {
	m.refused.Store(&err)
	m.config.OnFenced(err)
}

// request asks a node for any path.
func (c *cluster) request(to *Node, method, path string) (int, string) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, "http://"+to.HTTPAddr()+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := c.client.Do(request)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer response.Body.Close() //nolint:errcheck // read from only
	body, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestAFencedNodeServesNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 8)
	c.putAll(0, 20, "n1", "n2", "n3")
	eventually(t, "n1 to be ready", func() bool { status, _ := c.request(c.nodes["n1"], http.MethodGet, "/readyz"); return status == 200 })
	n1, joined := c.nodes["n1"], c.member("n1")

	joined.fence(errors.New("another start is at elsewhere:1"))
	for _, at := range []struct{ method, path string }{
		{http.MethodGet, "/v1/kv/key-1"}, {http.MethodGet, "/v1/kv/key-1?consistency=stale"}, {http.MethodPut, "/v1/kv/key-1"},
		{http.MethodDelete, "/v1/kv/key-1"}, {http.MethodGet, "/v1/partitions"}, {http.MethodGet, "/v1/nodes"},
		{http.MethodGet, "/v1/cluster"}, {http.MethodGet, "/v1/locate/key-1"}, {http.MethodGet, "/readyz"},
	} {
		if status, body := c.request(n1, at.method, at.path); status != http.StatusServiceUnavailable || !strings.Contains(body, "elsewhere:1") {
			t.Errorf("%s %s: %d %s", at.method, at.path, status, body)
		}
	}
	if status, _ := c.request(n1, http.MethodGet, "/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d", status)
	}
	for _, other := range []partition.NodeID{"n2", "n3"} {
		eventually(t, string(other)+" to lose its connection to n1", func() bool {
			link := c.nodes[other].peers.link("n1", classData)
			return link != nil && !link.Connected()
		})
	}
	c.fail("n1")
	c.putAll(20, 40, "n2", "n3")
	c.checkAll(0, 40, "n2", "n3")

	select {
	case <-n1.Done():
		t.Error("it ended before the coordinators said anything")
	default:
	}
	began := time.Now()
	n1.Leave(t.Context()) // there is nothing to hand over
	joined.config.OnRefused(&client.RefusedError{Node: "n1", Reason: "another start runs at elsewhere:1"})
	<-n1.Done()
	var refused *client.RefusedError
	if err := n1.Err(); !errors.As(err, &refused) || refused.Removed {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 5*fenceLinger {
		t.Errorf("it ended after %v", took)
	}
	c.kill("n1")
	c.start("n1") // its data is there: the next start on the directory is accepted
	eventually(t, "all replicas to be in sync", c.whole)
	c.checkAll(0, 40, "n1")
}

// A write that was logged and not committed ends with an unknown outcome, not
// with its deadline.
func TestTheFenceEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 8)
	c.trio.propose = func(partition.Change) {}
	key := ""
	eventually(t, "n1 to be primary of a key", func() bool {
		c.trio.mu.Lock()
		m := c.trio.current
		c.trio.mu.Unlock()
		for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"} {
			if at, _ := m.Partition(partition.OfString(name, len(m.Partitions))); at.Primary == "n1" {
				key = name
				return true
			}
		}
		return false
	})
	if status, body := c.do("n1", http.MethodPut, key, []byte("v")); status/100 != 2 {
		t.Fatalf("%d %s", status, body)
	}
	n1, joined := c.nodes["n1"], c.member("n1")
	c.kill("n2")
	c.kill("n3")
	type answer struct {
		status int
		body   string
	}
	answers := make(chan answer, 1)
	go func() {
		status, body := c.request(n1, http.MethodPut, "/v1/kv/"+key+"?timeout=50s")
		answers <- answer{status, body}
	}()
	eventually(t, "the write to be in the log", func() bool {
		waiting := make(chan int, 1)
		id := partition.OfString(key, 8)
		n1.executorOf(id).ask(func(e *executor, _ replica.Time) {
			s, _ := e.lanes[laneOf(id)].group.Status(id)
			waiting <- s.Unacknowledged
		}, func() { waiting <- 1 })
		return <-waiting > 0
	})
	joined.fence(errors.New("another start is at elsewhere:1"))
	a := <-answers
	if a.status != http.StatusGatewayTimeout || !strings.Contains(a.body, "elsewhere:1") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// The coordinators went back and forth, and accept the start after all: its
// replicas know too little by now. The process ends, to be started again.
func TestAFencedNodeThatIsAcceptedAgainEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, 4)
	n1, joined := c.nodes["n1"], c.member("n1")
	joined.fence(errors.New("another start is at elsewhere:1"))
	c.trio.change(func(*partition.Map) {})
	select {
	case <-n1.Done():
		t.Error("it ended while it was fenced")
	default:
	}
	joined.refused.Store(nil)
	c.trio.change(func(*partition.Map) {})
	<-n1.Done()
	if err := n1.Err(); !errors.Is(err, errAcceptedAgain) {
		t.Errorf("%v", err)
	}
}

func TestANodeThatMustWaitIsNotReadyAndSaysWhy(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, 4)
	n, joined := c.nodes["n1"], c.member("n1")
	joined.config.OnRefused(&client.RefusedError{Node: "n1", Reason: "the map is behind", Waits: true})
	if n.Fenced() != nil {
		t.Error("it is fenced")
	}
	c.putAll(0, 4, "n1")
	select {
	case <-n.Done():
		t.Error("it ended")
	default:
	}
	n.ready.Store(false) // as before it has joined
	if err := (*backend)(n).Ready(); err == nil || !strings.Contains(err.Error(), "the map is behind") {
		t.Errorf("%v", err)
	}
	n.ready.Store(true)
}
