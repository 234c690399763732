package dataplane

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/gateway"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/wire"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
	"github.com/holdfast-io/holdfast/transport"
)

// Reasons why a node is not ready.
var (
	errJoining = errors.New("joining the cluster")
	errPlacing = errors.New("the first placement has not happened")
)

// backend is the node as its gateway sees it. It answers from the first moment
// on: before the node has joined there is no map, and nothing else is asked.
type backend Node

var _ gateway.Backend = (*backend)(nil)

// Self implements gateway.Backend.
func (b *backend) Self() partition.NodeID { return b.cfg.NodeID }

// Now implements gateway.Backend.
func (b *backend) Now() replica.Time { return now() }

// Fenced implements gateway.Backend.
func (b *backend) Fenced() error { return (*Node)(b).Fenced() }

// Map implements gateway.Backend. One that is fenced shows none: what it says
// of itself would be wrong.
func (b *backend) Map() *partition.Map {
	if !b.ready.Load() || b.Fenced() != nil {
		return nil
	}
	return b.joined.joined.Load().client.Map()
}

// WaitMap implements gateway.Backend.
func (b *backend) WaitMap(ctx context.Context, after uint64) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-b.started:
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.acting, cancel)() // nothing is waited for beyond the fence
	return b.joined.joined.Load().client.WaitMap(ctx, after)
}

// Read implements gateway.Backend.
func (b *backend) Read(op *replica.Operation) (replica.Answer, bool) {
	if !b.ready.Load() {
		return replica.Answer{}, false
	}
	a, result := b.slots.read(op, now)
	b.metrics.reads[result].Inc()
	return a, result == readLocal && b.Fenced() == nil // checked last, as the lease is
}

// Stale implements gateway.Backend.
func (b *backend) Stale(op *replica.Operation) (replica.Answer, bool) {
	if !b.ready.Load() {
		return replica.Answer{}, false
	}
	a, ok := b.slots.stale(op)
	return a, ok && b.Fenced() == nil
}

// Send implements gateway.Backend.
func (b *backend) Send(to partition.NodeID, op replica.Operation, done func(replica.Answer, gateway.Sent)) {
	switch {
	case !b.ready.Load() || int(op.Partition) >= len(b.slots) || b.Fenced() != nil:
		done(replica.Answer{}, gateway.NeverSent)
	case to == b.cfg.NodeID:
		(*Node)(b).executorOf(op.Partition).offer(op, &pending{done: done})
	default:
		b.forward(to, &op, done)
	}
}

// replyGrace is how much longer than the deadline a forwarded operation's
// answer is waited for: the other node answers at the deadline, by its clock.
const replyGrace = 500 * time.Millisecond

// forward sends an operation to another node.
func (b *backend) forward(to partition.NodeID, op *replica.Operation, done func(replica.Answer, gateway.Sent)) {
	link := b.peers.link(to, classData)
	remaining := op.Deadline.Sub(now())
	if link == nil || remaining <= 0 {
		done(replica.Answer{}, gateway.NeverSent)
		return
	}
	frame := framePool.Get().(*[]byte)
	*frame = wire.AppendOperation((*frame)[:0], op, remaining)
	link.Call(*frame, remaining+replyGrace, func(reply []byte, err error) {
		a, sent := answerOf(reply, err)
		if errors.Is(err, transport.ErrBacklog) {
			b.metrics.refused[refusedLink].Inc()
		}
		done(a, sent)
	})
	putFrame(frame)
}

// answerOf is what the end of a call says of its operation.
func answerOf(reply []byte, err error) (replica.Answer, gateway.Sent) {
	switch {
	case errors.Is(err, transport.ErrBacklog):
		// Too much waits for that node here, or from this node there.
		return replica.Answer{Outcome: replica.Overloaded}, gateway.Certain
	case errors.Is(err, transport.ErrDown), errors.Is(err, transport.ErrTooLarge):
		return replica.Answer{}, gateway.NeverSent
	case err != nil:
		return replica.Answer{}, gateway.MaybeSent
	case len(reply) == 0: // not understood there, so not logged
		return replica.Answer{}, gateway.NeverSent
	}
	a, err := wire.DecodeAnswer(reply)
	if err != nil {
		return replica.Answer{}, gateway.MaybeSent
	}
	return a, gateway.Certain
}

// OpenRequest implements gateway.Backend.
func (b *backend) OpenRequest() (id entry.RequestID, lowestOpen uint64) { return b.requests.begin() }

// CloseRequest implements gateway.Backend.
func (b *backend) CloseRequest(id entry.RequestID) { b.requests.end(id.Counter) }

// Ready implements gateway.Backend. The loss of coordinators or of other nodes
// does not change it: the node serves on.
func (b *backend) Ready() error {
	switch {
	case b.Fenced() != nil:
		return b.Fenced()
	case (*Node)(b).Err() != nil:
		return fmt.Errorf("the node cannot go on: %w", b.fault)
	case b.ctx.Err() != nil:
		return ErrClosed
	case !b.ready.Load():
		if waits := b.waits.Load(); waits != nil {
			return fmt.Errorf("%w: %w", errJoining, waits)
		}
		return errJoining
	case b.leaving.Load():
		return errLeaving
	}
	if m := b.Map(); !m.Placed() {
		return fmt.Errorf("%w: waits for %d nodes, has %d", errPlacing, m.Settings.ExpectNodes, len(m.Nodes))
	}
	if err := b.joined.joined.Load().client.Err(); err != nil {
		return fmt.Errorf("the node waits: %w", err)
	}
	return nil
}

// Coordinators implements gateway.Backend.
func (b *backend) Coordinators() (leader string, all []mapjson.Coordinator) {
	var known client.Cluster
	if b.ready.Load() {
		known = b.joined.joined.Load().client.Cluster()
	}
	for _, c := range known.Coordinators {
		state := "unreachable"
		switch {
		case c.Connected && c.ID != "" && c.ID == known.Leader:
			state = "leader"
		case c.Connected:
			state = "follower"
		}
		all = append(all, mapjson.Coordinator{ID: c.ID, PeerAddr: c.PeerAddr, HTTPAddr: c.HTTPAddr, State: state})
	}
	return known.Leader, all
}

// NodeState implements gateway.Backend.
func (b *backend) NodeState(id partition.NodeID) string {
	if id == b.cfg.NodeID {
		return "live"
	}
	if b.ready.Load() {
		if link := b.peers.link(id, classBeacon); link != nil && link.Connected() {
			return "live"
		}
	}
	return "unreachable"
}
