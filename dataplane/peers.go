package dataplane

import (
	"crypto/tls"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// peers keeps the links to the other nodes of the map: one of each class to
// each. Links are dialed one way: the answers of replication are messages of
// our own links, those of requests come back on theirs.
type peers struct {
	self    replica.Peer
	network transport.Network
	tls     *tls.Config
	logger  *slog.Logger
	joined  *membership
	// connection is told of data links that go up and down. It must not block.
	connection func(node partition.NodeID, up bool)

	known atomic.Pointer[map[partition.NodeID]*peer] // immutable, for lookups

	mu      sync.Mutex // guards changes of known, and closed
	closed  bool
	closing sync.WaitGroup
}

// peer is one other node, as the links to it were made for.
type peer struct {
	node  partition.Node
	links [lastClass + 1]transport.Link
	boot  partition.Start // the latest that the map told of; guarded by mu of peers
}

func (p *peers) link(node partition.NodeID, c class) transport.Link {
	known := p.known.Load()
	if known == nil {
		return nil
	}
	if peer := (*known)[node]; peer != nil {
		return peer.links[c]
	}
	return nil
}

// setMap makes links to the nodes that are new, and closes those to nodes that
// are gone, or have another address or store. It does not block.
func (p *peers) setMap(m *partition.Map) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	old := map[partition.NodeID]*peer{}
	if known := p.known.Load(); known != nil {
		old = maps.Clone(*known)
	}
	next := make(map[partition.NodeID]*peer, len(m.Nodes))
	for i := range m.Nodes {
		n := m.Nodes[i]
		if n.ID == p.self.Node || n.PeerAddr == "" {
			continue
		}
		if had := old[n.ID]; had != nil && had.node.Store == n.Store && had.node.PeerAddr == n.PeerAddr {
			if had.boot.SupersededBy(n.Start()) { // it has started again: no use in waiting
				had.boot = n.Start()
				for _, link := range had.links {
					if link != nil {
						link.Retry()
					}
				}
			}
			next[n.ID] = had
			delete(old, n.ID)
			continue
		}
		next[n.ID] = p.dial(n)
	}
	p.known.Store(&next)
	for id := range old {
		p.connection(id, false)
	}
	p.end(old)
}

func (p *peers) dial(n partition.Node) *peer {
	made := &peer{node: n, boot: n.Start()}
	for c := classData; c <= lastClass; c++ {
		options := transport.Options{
			TLS: p.tls, Logger: p.logger, MaxFrame: maxFrame, SendBuffer: sendBuffer,
			Hello: func() []byte {
				h := hello{Cluster: p.joined.cluster(), Self: p.self, Class: c, Target: n.ID, TargetStore: n.Store}
				return h.append(nil)
			},
			Verify: func(theirs []byte) (any, error) {
				h, err := decodeHello(theirs)
				if err == nil {
					err = reached(h, p.joined.cluster(), &n, p.joined.latest())
				}
				return nil, err
			},
		}
		if c == classData {
			options.Handler = linkHandler{peers: p, of: made}
		}
		made.links[c] = p.network.Dial(n.PeerAddr, options)
	}
	return made
}

// end closes links in the background, for that waits for their last bytes.
func (p *peers) end(gone map[partition.NodeID]*peer) {
	for _, peer := range gone {
		for _, link := range peer.links {
			if link != nil {
				p.closing.Go(func() { _ = link.Close() }) // nothing is lost that counts
			}
		}
	}
}

// close ends all links, and waits for them.
func (p *peers) close() {
	p.mu.Lock()
	p.closed = true
	if known := p.known.Swap(nil); known != nil {
		p.end(*known)
	}
	p.mu.Unlock()
	p.closing.Wait()
}

// linkHandler tells when the data link to a node goes up and down. Nothing else
// comes in on a link that we dialed but answers to our requests.
type linkHandler struct {
	peers *peers
	of    *peer
}

func (h linkHandler) Up(transport.Conn)                                           { h.peers.changed(h.of, true) }
func (h linkHandler) Down(transport.Conn, error)                                  { h.peers.changed(h.of, false) }
func (h linkHandler) Message(transport.Conn, []byte)                              {}
func (h linkHandler) Request(_ transport.Conn, _ []byte, reply func(body []byte)) { reply(nil) }

// changed passes on the state of a data link, unless it was replaced by another
// to the same node, whose state is the one that counts.
func (p *peers) changed(of *peer, up bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.known.Load(); known != nil && (*known)[of.node.ID] == of {
		p.connection(of.node.ID, up)
	}
}

// maxFrame bounds a message between nodes: the largest value with what goes
// around it. sendBuffer is what may wait for a slow peer on one connection.
const (
	maxFrame   = maxValue + 4<<20
	sendBuffer = 32 << 20
)
