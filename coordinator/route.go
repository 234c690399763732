package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
)

// retryLeader is how long a request waits before it looks for the leader again.
const retryLeader = 25 * time.Millisecond

// route answers a request here if this coordinator leads, or has the leader
// answer it; it waits for a leader as long as Timings.Forward.
func (c *Coordinator) route(m protocol.Message) protocol.Reply {
	ctx, cancel := context.WithTimeout(c.ctx, c.config.Timings.Forward)
	defer cancel()
	forwarded := protocol.Encode(protocol.Forwarded{Request: protocol.Encode(m)})
	for {
		var r protocol.Reply
		if c.leading.Load() {
			r = c.lead(m)
		} else {
			r = c.forward(ctx, forwarded)
		}
		if r.Code != protocol.Retry {
			return r
		}
		select {
		case <-ctx.Done():
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
	deadline, _ := ctx.Deadline()
	answered := make(chan protocol.Reply, 1)
	p.link.Call(request, max(time.Until(deadline), time.Millisecond), func(raw []byte, err error) {
		r := protocol.Reply{Code: protocol.Retry}
		if err == nil {
			r, err = decodeReply(raw)
		}
		if err != nil {
			r.Text = fmt.Sprintf("ask coordinator %s, the leader: %v", leader, err)
		}
		answered <- r
	})
	select {
	case r := <-answered:
		return r
	case <-ctx.Done():
		return protocol.Reply{Code: protocol.Retry, Text: fmt.Sprintf("ask coordinator %s, the leader: %v", leader, ctx.Err())}
	}
}

func decodeReply(raw []byte) (protocol.Reply, error) {
	m, err := protocol.Decode(raw)
	if err != nil {
		return protocol.Reply{Code: protocol.Retry}, err
	}
	r, ok := m.(protocol.Reply)
	if !ok {
		return protocol.Reply{Code: protocol.Retry}, fmt.Errorf("%w: %T is no reply", protocol.ErrMalformed, m)
	}
	return r, nil
}

// lead answers a request as the leader; Retry where this coordinator is not.
func (c *Coordinator) lead(m protocol.Message) protocol.Reply {
	if !c.leading.Load() {
		return c.notLeading()
	}
	switch m := m.(type) {
	case protocol.Register:
		return c.register(m)
	case protocol.Propose:
		return c.propose(m)
	case protocol.Recover:
		return c.recover(m)
	case protocol.Order:
		return c.order(m)
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

// failed turns the error of a commit into a reply.
func failed(operation string, err error) protocol.Reply {
	code := protocol.Refused
	switch {
	case errors.Is(err, errUncommitted), errors.Is(err, state.ErrMayRun):
		code = protocol.Retry
	case errors.Is(err, state.ErrRemoved):
		code = protocol.Removed
	}
	return protocol.Reply{Code: code, Text: fmt.Sprintf("%s: %v", operation, err)}
}
