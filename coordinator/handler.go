package coordinator

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// handler is the peer port: what nodes, followers and other coordinators say.
// It implements transport.Handler.
type handler struct{ c *Coordinator }

// hello is what this coordinator says of itself.
func (c *Coordinator) hello() []byte {
	m := c.memberCopy()
	if applied := c.fsm.Map(); applied.ClusterID != "" { // sooner than the file
		m.ClusterID, m.Application = applied.ClusterID, applied.Application
	}
	h := protocol.Hello{
		Role: protocol.RoleCoordinator, Name: c.config.ID, Store: m.Store,
		ClusterID: m.ClusterID, Application: m.Application,
		PeerAddr: c.config.AdvertisePeerAddr, HTTPAddr: c.advertisedHTTP(),
	}
	return h.Encode()
}

// verify judges the other side's hello. Its error goes to the other side.
func (c *Coordinator) verify(theirs []byte) (any, error) {
	h, err := protocol.DecodeHello(theirs)
	if err != nil {
		return nil, fmt.Errorf("coordinator %s: %w", c.config.ID, err)
	}
	fresh := c.callers.note(h)
	if c.stranger(h) {
		own := c.clusterID()
		if fresh {
			c.log.Error("a node of another cluster calls, and is refused: it has the wrong coordinators, or the wrong data directory",
				"node", h.Name, "cluster", h.ClusterID, "own", own)
		}
		return nil, fmt.Errorf("coordinator %s: it is of cluster %s, %s is of cluster %s", c.config.ID, own, h.Name, h.ClusterID)
	}
	return h, nil
}

// stranger reports whether a caller belongs to another cluster. It has a connection only
// if it called before this coordinator belonged to one.
func (c *Coordinator) stranger(who protocol.Hello) bool {
	own := c.clusterID()
	return own != "" && who.ClusterID != "" && who.ClusterID != own
}

// Up implements transport.Handler.
func (h handler) Up(conn transport.Conn) { h.c.relay.up(conn) }

// Down implements transport.Handler.
func (h handler) Down(conn transport.Conn, _ error) {
	h.c.relay.down(conn)
	h.c.stream.leave(conn)
}

// Message implements transport.Handler.
func (h handler) Message(conn transport.Conn, body []byte) {
	m, err := protocol.Decode(body)
	if err != nil {
		h.malformed(conn, err)
		return
	}
	who, _ := conn.Identity().(protocol.Hello)
	if h.c.stranger(who) {
		_ = conn.Close() // it is told when it calls again
		return
	}
	switch m := m.(type) {
	case protocol.Heartbeat:
		if who.Role != protocol.RoleNode {
			h.malformed(conn, fmt.Errorf("%w: a heartbeat of what is no node", protocol.ErrMalformed))
			return
		}
		if m.Report.MapVersion > 0 && who.ClusterID == "" && h.c.clusterID() == "" {
			h.c.callers.forget(who.Name) // it has a map: it says whose when it calls again
			_ = conn.Close()
			return
		}
		h.c.heartbeat(who, m.Report)
	case protocol.Hints:
		if who.Role != protocol.RoleNode {
			h.malformed(conn, fmt.Errorf("%w: hints of what is no node", protocol.ErrMalformed))
			return
		}
		h.c.relay.pass(who, m)
	case protocol.Follow:
		if m.Stop {
			h.c.stream.leave(conn)
		} else {
			if m.ClusterID != "" { // it may know its cluster only since the hello
				who.ClusterID = m.ClusterID
				h.c.callers.note(who)
			}
			h.c.stream.follow(conn, m)
		}
	default:
		h.malformed(conn, fmt.Errorf("%w: %T is no message to a coordinator", protocol.ErrMalformed, m))
	}
}

// Request implements transport.Handler.
func (h handler) Request(conn transport.Conn, body []byte, reply func([]byte)) {
	m, err := protocol.Decode(body)
	if err != nil {
		reply(protocol.Encode(protocol.Reply{Code: protocol.Invalid, Text: err.Error()}))
		h.malformed(conn, err)
		return
	}
	if who, _ := conn.Identity().(protocol.Hello); h.c.stranger(who) {
		reply(protocol.Encode(protocol.Reply{Code: protocol.Retry, Text: "the connection is older than the cluster of this coordinator: call again"}))
		_ = conn.Close()
		return
	}
	switch m := m.(type) {
	case protocol.Ask:
		own := h.c.memberCopy()
		if _, member := h.c.peers[m.Self.ID]; member && len(own.Group) == 0 {
			h.c.asked.note(m)
		}
		reply(protocol.Encode(h.c.answerFor(m.Self)))
	case protocol.Forwarded:
		h.inner(conn, m.Timeout, m.Request, reply, h.c.lead)
	case protocol.Timed:
		h.inner(conn, m.Timeout, m.Request, reply, h.c.route)
	case protocol.Register, protocol.Propose, protocol.Recover, protocol.Order, protocol.RecoverMap:
		nameProposer(conn, m)
		h.c.serve(0, reply, func(ctx context.Context) protocol.Reply { return h.c.route(ctx, m) })
	default:
		reply(protocol.Encode(protocol.Reply{Code: protocol.Invalid, Text: fmt.Sprintf("%T is no request to a coordinator", m)}))
	}
}

// inner answers a request that names how long its sender waits.
func (h handler) inner(conn transport.Conn, timeout time.Duration, request []byte, reply func([]byte), answer func(context.Context, protocol.Message) protocol.Reply) {
	m, err := protocol.Decode(request)
	if err != nil {
		reply(protocol.Encode(protocol.Reply{Code: protocol.Invalid, Text: err.Error()}))
		return
	}
	nameProposer(conn, m)
	h.c.serve(max(timeout, time.Millisecond), reply, func(ctx context.Context) protocol.Reply { return answer(ctx, m) })
}

// nameProposer sets the proposer of the changes that a node asks for: it is that node,
// whatever the request says. Only the primary proposes a learner.
func nameProposer(conn transport.Conn, m protocol.Message) {
	who, _ := conn.Identity().(protocol.Hello)
	if proposal, is := m.(protocol.Propose); is && who.Role == protocol.RoleNode {
		for i := range proposal.Changes {
			proposal.Changes[i].Proposer = partition.NodeID(who.Name)
		}
	}
}

func (h handler) malformed(conn transport.Conn, err error) {
	h.c.log.Warn("connection closed that broke the protocol", "addr", conn.RemoteAddr(), "err", err)
	_ = conn.Close()
}

// maxServing bounds the requests that wait for Raft at the same time.
const maxServing = 1024

// serve answers a request on a goroutine of its own, within a timeout as requestContext has
// it.
func (c *Coordinator) serve(timeout time.Duration, reply func([]byte), work func(context.Context) protocol.Reply) {
	ctx, cancel := c.requestContext(c.ctx, timeout)
	select {
	case c.serving <- struct{}{}:
	default:
		cancel()
		reply(protocol.Encode(protocol.Reply{Code: protocol.Retry, Text: "coordinator " + c.config.ID + " is overloaded"}))
		return
	}
	started := c.goroutine(func() {
		defer func() { cancel(); <-c.serving }()
		reply(protocol.Encode(work(ctx)))
	})
	if !started {
		cancel()
		<-c.serving
		reply(protocol.Encode(protocol.Reply{Code: protocol.Retry, Text: "coordinator " + c.config.ID + " stops"}))
	}
}
