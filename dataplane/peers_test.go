package dataplane

import (
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// links is what a test knows of a node's connections.
type links struct {
	mu    sync.Mutex
	up    map[partition.NodeID]bool
	peers *peers
}

// newLinks makes the outgoing side of n1 on a network.
func newLinks(t *testing.T, network *transport.Memory, m *partition.Map) *links {
	t.Helper()
	l := &links{up: map[partition.NodeID]bool{}}
	member := &membership{}
	member.joined.Store(&joined{id: "c"})
	member.onMap(m)
	l.peers = &peers{
		self: peerOf("n1", 11, 4), network: network.Host("n1"), joined: member,
		connection: func(node partition.NodeID, up bool) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.up[node] = up
		},
	}
	t.Cleanup(l.peers.close)
	return l
}

func (l *links) isUp(node partition.NodeID) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.up[node]
}

// answering listens as a node would, and counts what it accepted by class.
func answering(t *testing.T, network *transport.Memory, addr string, h hello, m *partition.Map) (accepted func(class) int) {
	t.Helper()
	var mu sync.Mutex
	count := map[class]int{}
	listener, err := network.Host(string(h.Self.Node)).Listen(addr, transport.Options{
		Hello: func() []byte { return h.append(nil) },
		Verify: func(theirs []byte) (any, error) {
			said, err := decodeHello(theirs)
			if err == nil {
				err = welcome(said, "c", h.Self, m)
			}
			if err == nil {
				mu.Lock()
				count[said.Class]++
				mu.Unlock()
			}
			return said, err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
	})
	return func(c class) int {
		mu.Lock()
		defer mu.Unlock()
		return count[c]
	}
}

func TestLinksOfEachClassFollowTheMap(t *testing.T) {
	t.Parallel()
	network := transport.NewMemory()
	accepted := answering(t, network, "n2:1", hello{Cluster: "c", Self: peerOf("n2", 22, 7)}, twoNodes)
	l := newLinks(t, network, twoNodes)
	if l.peers.link("n2", classData) != nil {
		t.Error("a link before the first map")
	}
	l.peers.setMap(twoNodes)
	if l.peers.link("n1", classData) != nil {
		t.Error("a link to itself")
	}
	for c := classData; c <= lastClass; c++ {
		eventually(t, c.String()+" link", func() bool { return accepted(c) == 1 && l.peers.link("n2", c).Connected() })
	}
	eventually(t, "data link reported", func() bool { return l.isUp("n2") })

	same := *twoNodes
	same.Version++
	before := l.peers.link("n2", classData)
	l.peers.setMap(&same)
	if l.peers.link("n2", classData) != before {
		t.Error("a new link although nothing changed")
	}

	gone := &partition.Map{Version: 9, ClusterID: "c", Nodes: twoNodes.Nodes[:1]}
	l.peers.setMap(gone)
	if l.peers.link("n2", classData) != nil || l.isUp("n2") {
		t.Error("the link to a node that left is still there")
	}
}

func TestLinkMovesWithTheAddress(t *testing.T) {
	t.Parallel()
	network := transport.NewMemory()
	h := hello{Cluster: "c", Self: peerOf("n2", 22, 7)}
	answering(t, network, "n2:1", h, twoNodes)
	accepted := answering(t, network, "n2:2", h, twoNodes)
	l := newLinks(t, network, twoNodes)
	l.peers.setMap(twoNodes)
	eventually(t, "first link", func() bool { return l.isUp("n2") })

	moved := *twoNodes
	moved.Nodes = append([]partition.Node(nil), twoNodes.Nodes...)
	moved.Nodes[1].PeerAddr = "n2:2"
	l.peers.setMap(&moved)
	eventually(t, "second link", func() bool { return accepted(classData) == 1 && l.isUp("n2") })
	l.peers.close()
	if l.peers.link("n2", classData) != nil {
		t.Error("a link after close")
	}
}

func TestLinkToAnotherDiskIsNotTaken(t *testing.T) {
	t.Parallel()
	network := transport.NewMemory()
	answering(t, network, "n2:1", hello{Cluster: "c", Self: peerOf("n2", 23, 1)}, twoNodes)
	l := newLinks(t, network, twoNodes)
	l.peers.setMap(twoNodes)
	eventually(t, "refusal", func() bool { return l.peers.link("n2", classData).Err() != nil })
	if l.isUp("n2") {
		t.Error("connected to a node whose disk is not the map's")
	}
}

// retried counts how often a link was told that its peer is likely to be there.
type retried struct {
	transport.Network
	mu    sync.Mutex
	times int
}

type retriedLink struct {
	transport.Link
	of *retried
}

func (r *retried) Dial(addr string, o transport.Options) transport.Link {
	return retriedLink{r.Network.Dial(addr, o), r}
}

func (l retriedLink) Retry() {
	l.of.mu.Lock()
	l.of.times++
	l.of.mu.Unlock()
	l.Link.Retry()
}

func TestANodeThatStartedAgainIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	l := newLinks(t, transport.NewMemory(), twoNodes)
	counted := &retried{Network: l.peers.network}
	l.peers.network = counted
	l.peers.setMap(twoNodes)
	again := *twoNodes
	again.Version++
	again.Nodes = slices.Clone(twoNodes.Nodes)
	l.peers.setMap(&again)
	if counted.times != 0 {
		t.Errorf("tried %d times though nobody started", counted.times)
	}
	for i := range again.Nodes {
		again.Nodes[i].Incarnation++
	}
	before := l.peers.link("n2", classData)
	for range 2 { // the second tells nothing new
		l.peers.setMap(&again)
	}
	if want := int(lastClass-classData) + 1; counted.times != want {
		t.Errorf("tried %d times, want every class once, %d", counted.times, want)
	}
	if l.peers.link("n2", classData) != before {
		t.Error("a new link")
	}
}
