package dataplane

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/wire"
	"github.com/holdfast-io/holdfast/transport"
)

// session is one accepted connection: the boot that its hello vouched for.
type session struct {
	peer   replica.Peer
	number uint64 // later connections have higher ones
	class  class
	warned sync.Once // of leases longer than ours
	// batches sorts a frame's messages by executor. Only the connection's own
	// goroutine uses it.
	batches [Lanes]inboundBatch
}

type inboundBatch struct {
	messages []inbound
	bytes    int64
}

// inboundHandler takes what other nodes send, and hands it to the executors.
type inboundHandler struct {
	node     *Node
	sessions atomic.Uint64 // so far
}

// verify judges the hello of a node that dialed us.
func (h *inboundHandler) verify(theirs []byte) (any, error) {
	said, err := decodeHello(theirs)
	if err != nil {
		return nil, err
	}
	if err := h.node.Fenced(); err != nil {
		return nil, fmt.Errorf("%s: %w", h.node.cfg.NodeID, err)
	}
	if err := welcome(said, h.node.joined.cluster(), h.node.self, h.node.joined.latest()); err != nil {
		return nil, err
	}
	return &session{peer: said.Self, class: said.Class, number: h.sessions.Add(1)}, nil
}

// Up implements transport.Handler.
func (h *inboundHandler) Up(transport.Conn) {}

// Down implements transport.Handler.
func (h *inboundHandler) Down(c transport.Conn, _ error) {
	if s, ok := c.Identity().(*session); ok && s.class == classBulk {
		h.node.receiving.gone(s)
	}
}

// Message takes a frame of messages. Those of one connection reach each
// executor in the order they were sent.
func (h *inboundHandler) Message(c transport.Conn, body []byte) {
	s, ok := c.Identity().(*session)
	if !ok || s.class != classData && s.class != classBeacon || h.node.Fenced() != nil {
		return
	}
	for rest := body; len(rest) > 0; {
		m, left, err := wire.DecodeMessage(rest)
		if err != nil {
			h.node.cfg.Logger.Warn("malformed message from another node, connection closed",
				slog.String("node", string(s.peer.Node)), slog.Any("err", err))
			_ = c.Close() // it was the peer's fault already
			break
		}
		size := int64(len(rest) - len(left))
		rest = left
		if !h.accepts(s, &m) {
			continue
		}
		lane := laneOf(m.Partition)
		b := &s.batches[h.node.executorIndex(lane)]
		b.messages = append(b.messages, inbound{lane: lane, from: s.peer, message: m})
		b.bytes += size
	}
	for i := range s.batches {
		b := &s.batches[i]
		if len(b.messages) == 0 {
			continue
		}
		if !h.node.executors[i].inbox.messages(b.messages, b.bytes) {
			h.node.metrics.dropped.Add(float64(len(b.messages)))
		}
		b.messages, b.bytes = emptied(b.messages), 0
	}
}

// accepts counts a message, and refuses one that the node cannot honour: a
// partition out of range, or a beacon that asks for a longer promise than the
// one held durable since before the first was given (rule L2).
func (h *inboundHandler) accepts(s *session, m *replica.Message) bool {
	n := h.node
	if int(m.Kind) >= len(n.metrics.received) || n.metrics.received[m.Kind] == nil {
		return false
	}
	n.metrics.received[m.Kind].Inc()
	t := n.cfg.Timings
	if m.Beacon != nil && m.Beacon.Lease > t.Lease {
		s.warned.Do(func() {
			n.cfg.Logger.Error("a node's leases are longer than this node's timings allow: its beacons go unanswered",
				slog.String("node", string(s.peer.Node)), slog.Duration("lease", m.Beacon.Lease))
		})
		return false
	}
	if m.Kind == replica.BeaconMessage || m.Kind == replica.BeaconReply {
		return m.Partition < Lanes
	}
	return int(m.Partition) < len(n.slots)
}

// Request takes a forwarded operation, or a part of a snapshot.
func (h *inboundHandler) Request(c transport.Conn, body []byte, reply func(body []byte)) {
	s, ok := c.Identity().(*session)
	switch {
	case h.node.Fenced() != nil: // whoever asks tries elsewhere
		reply(nil)
	case ok && s.class == classData:
		h.operation(body, reply)
	case ok && s.class == classBulk:
		h.node.receiving.request(s, body, reply)
	default:
		reply(nil)
	}
}

// operation hands a forwarded operation to its executor. An empty reply says
// that it was not understood, and so not logged.
func (h *inboundHandler) operation(body []byte, reply func(body []byte)) {
	n := h.node
	op, err := wire.DecodeOperation(body, now())
	if err != nil || int(op.Partition) >= len(n.slots) {
		reply(nil)
		return
	}
	n.metrics.forwarded.Inc()
	if op.Action == replica.Get {
		// As for this node's own clients: the executor would double what it takes.
		if a, result := n.slots.read(&op, now); result == readLocal && n.Fenced() == nil {
			replyAnswer(reply, &a)
			return
		}
	}
	n.executorOf(op.Partition).offer(op, &pending{reply: reply})
}
