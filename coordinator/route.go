package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/transport"
)

// retryLeader is how long a request waits before it looks for the leader again.
const retryLeader = 25 * time.Millisecond

// LongestWait bounds how long a sender may have a request wait.
const LongestWait = time.Minute

// requestContext returns the context of a request whose sender waits for that long: zero
// is Timings.Forward, and nothing waits longer than a minute. It ends with the
// coordinator, too.
func (c *Coordinator) requestContext(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		timeout = c.config.Timings.Forward
	}
	ctx, cancel := context.WithTimeout(ctx, min(timeout, LongestWait))
	stop := context.AfterFunc(c.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// route answers a request here if this coordinator leads, or has the leader answer
// it. Until ctx ends it waits for a leader, and asks again where an attempt was not
// applied, or has an unknown outcome: every request may be repeated. Once any
// attempt had an unknown outcome, only a result settles the request.
func (c *Coordinator) route(ctx context.Context, m protocol.Message) protocol.Reply {
	request := protocol.Encode(m)
	var unknown *protocol.Reply
	for {
		var r protocol.Reply
		if c.leading.Load() {
			r = c.lead(ctx, m)
		} else {
			r = c.forward(ctx, request)
		}
		switch r.Code {
		case protocol.Retry:
		case protocol.Unknown:
			unknown = &r
		case protocol.OK, protocol.Refused, protocol.Invalid, protocol.Removed, protocol.Reused, protocol.Wait:
			return r
		}
		select {
		case <-ctx.Done():
			if unknown != nil {
				return *unknown
			}
			return r
		case <-time.After(retryLeader):
		}
	}
}

// forward asks the leader, if there is one that can be reached.
func (c *Coordinator) forward(ctx context.Context, request []byte) protocol.Reply {
	leader := c.Leader()
	p, ok := c.peers[leader]
	if !ok {
		return c.notLeading()
	}
	left := within(ctx, LongestWait)
	answered := make(chan protocol.Reply, 1)
	p.link.Call(protocol.Encode(protocol.Forwarded{Timeout: left, Request: request}), left, func(raw []byte, err error) {
		answered <- forwardedReply(leader, raw, err)
	})
	select {
	case r := <-answered:
		return r
	case <-ctx.Done():
		return protocol.Reply{Code: protocol.Unknown, Text: fmt.Sprintf("ask coordinator %s, the leader: %v", leader, ctx.Err())}
	}
}

// forwardedReply is the leader's reply. Where there is none, the leader may have
// had the request, unless the connection says that it did not.
func forwardedReply(leader string, raw []byte, err error) protocol.Reply {
	if err == nil {
		var r protocol.Reply
		if r, err = decodeReply(raw); err == nil {
			return r
		}
	}
	r := protocol.Reply{Code: protocol.Unknown, Text: fmt.Sprintf("ask coordinator %s, the leader: %v", leader, err)}
	if errors.Is(err, transport.ErrDown) || errors.Is(err, transport.ErrBacklog) || errors.Is(err, transport.ErrTooLarge) {
		r.Code = protocol.Retry
	}
	return r
}

func decodeReply(raw []byte) (protocol.Reply, error) {
	m, err := protocol.Decode(raw)
	if err != nil {
		return protocol.Reply{}, err
	}
	r, ok := m.(protocol.Reply)
	if !ok {
		return protocol.Reply{}, fmt.Errorf("%w: %T is no reply", protocol.ErrMalformed, m)
	}
	return r, nil
}

// lead answers a request as the leader; Retry where this coordinator is not.
func (c *Coordinator) lead(ctx context.Context, m protocol.Message) protocol.Reply {
	if !c.leading.Load() {
		return c.notLeading()
	}
	switch m := m.(type) {
	case protocol.Register:
		return c.register(ctx, m)
	case protocol.Propose:
		return c.propose(ctx, m)
	case protocol.Recover:
		return c.recover(ctx, m)
	case protocol.Order:
		return c.order(ctx, m)
	case protocol.RecoverMap:
		return c.recoverMap(ctx, m)
	case protocol.NoteRestored:
		return c.noteRestored(ctx, m)
	}
	return protocol.Reply{Code: protocol.Invalid, Text: fmt.Sprintf("%T cannot be forwarded", m)}
}

func (c *Coordinator) notLeading() protocol.Reply {
	text := errNoLeader.Error()
	if reason := c.notReady(); reason != nil {
		text = reason.Error()
	}
	return protocol.Reply{Code: protocol.Retry, Text: text}
}

// failed turns the error of a command into a reply.
func failed(operation string, err error) protocol.Reply {
	code := protocol.Refused
	switch {
	case errors.Is(err, errNotApplied), errors.Is(err, state.ErrNoCluster), errors.Is(err, state.ErrMayRun):
		code = protocol.Retry
	case errors.Is(err, errOutcomeUnknown):
		code = protocol.Unknown
	case errors.Is(err, state.ErrOperationReused):
		code = protocol.Reused
	case errors.Is(err, state.ErrRemoved):
		code = protocol.Removed
	}
	return protocol.Reply{Code: code, Text: fmt.Sprintf("%s: %v", operation, err)}
}
