package coordinator

import (
	"sync"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// relay passes hints on between nodes that are connected to this coordinator.
// It needs no leader and no Raft, and keeps no hint: the nodes repeat them.
type relay struct {
	mu struct {
		sync.Mutex
		nodes map[protocol.NodeStart]transport.Conn // the newest connection of each start
	}
}

func newRelay() *relay {
	r := &relay{}
	r.mu.nodes = make(map[protocol.NodeStart]transport.Conn)
	return r
}

// up notes a node's connection.
func (r *relay) up(conn transport.Conn) {
	who, _ := conn.Identity().(protocol.Hello)
	if who.Role != protocol.RoleNode {
		return
	}
	r.mu.Lock()
	r.mu.nodes[who.NodeStart()] = conn
	r.mu.Unlock()
}

// down forgets a connection.
func (r *relay) down(conn transport.Conn) {
	who, _ := conn.Identity().(protocol.Hello)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.nodes[who.NodeStart()] == conn {
		delete(r.mu.nodes, who.NodeStart())
	}
}

// connected reports whether a start has a connection here. A process that dies loses
// its connections at once, by its machine's kernel; one that is cut off keeps them
// until silence ends them.
func (r *relay) connected(n *partition.Node) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.nodes[protocol.NodeStart{Node: n.ID, Store: n.Store, Start: n.Start()}] != nil
}

// pass sends hints on to the start that they are for. They are lost where that
// start is not connected here, or is slow to read.
func (r *relay) pass(from protocol.Hello, m protocol.Hints) {
	r.mu.Lock()
	conn := r.mu.nodes[m.To]
	r.mu.Unlock()
	if conn == nil {
		return
	}
	m.From = from.NodeStart() // the node that is connected, whatever the message says
	_ = conn.Send(protocol.Encode(m))
}
