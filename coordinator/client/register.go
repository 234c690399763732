package client

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	// requestTimeout bounds one attempt; a leader that hangs is replaced sooner.
	requestTimeout = 2 * time.Second
	// registerAgain is how long an attempt that failed is not repeated,
	// refusedAgain one that has to wait for the operator, or for another node.
	registerAgain = 50 * time.Millisecond
	refusedAgain  = 5 * time.Second
	// registerShows is how long the map may take to show a registration.
	registerShows = 2 * time.Second
)

// registration registers this boot whenever the map does not name it: at the
// start, and where the coordinators were restored from a time before it. It also
// does where they were restored from a later time: the copies may be ahead of
// the map.
func (c *Client) registration() {
	first, told := true, uint64(0)
	for c.ctx.Err() == nil {
		changed := c.maps.changed()
		m, resets := c.Map(), c.resets.Load()
		// Before the first registration the map need not be known.
		if c.named(m) && told == resets || !first && m.Version == 0 {
			select {
			case <-changed:
			case <-c.ctx.Done():
			}
			continue
		}
		reply, err := c.register(first)
		var refusal *RefusedError
		switch {
		case errors.As(err, &refusal):
			c.refuse(refusal)
			if !refusal.Waits {
				return // the same start is never accepted
			}
			c.pause(refusedAgain)
		case err != nil:
			c.log.Debug("registration failed", "node", c.config.NodeID, "err", err)
			c.pause(registerAgain)
		default:
			first, told = false, resets
			c.refused.Store(nil)
			c.untilShown(reply.Version)
		}
	}
}

// register asks once.
func (c *Client) register(first bool) (protocol.Reply, error) {
	l := c.best()
	if l == nil {
		return protocol.Reply{}, errors.New("no coordinator can be reached")
	}
	copies := c.config.Copies
	if !first && c.config.CurrentCopies != nil {
		copies = c.config.CurrentCopies()
	}
	m := protocol.Register{
		Node: partition.Node{
			ID: c.config.NodeID, Store: c.config.Store, Incarnation: c.config.Start.Incarnation, StartID: c.config.Start.ID, Zone: c.config.Zone,
			HTTPAddr: c.config.HTTPAddr, PeerAddr: c.config.PeerAddr, Services: c.config.Services, Weight: c.config.Weight,
		},
		ClusterID: c.config.ClusterID, Application: c.config.Application, Copies: copies,
		Accepted: c.config.Accepted, Since: c.config.Since, Superseded: c.superseded.Load(),
	}
	reply, err := c.call(l, m, requestTimeout)
	switch {
	case err != nil:
		return reply, err
	case reply.Code == protocol.OK:
		return reply, nil
	case reply.Code == protocol.Retry, reply.Code == protocol.Unknown:
		return reply, errors.New(reply.Text)
	}
	return reply, &RefusedError{
		Node: c.config.NodeID, Reason: reply.Text, Above: reply.Above,
		Removed: reply.Code == protocol.Removed, Waits: reply.Code == protocol.Wait,
	}
}

// untilShown waits for the map to name this boot, for a while.
func (c *Client) untilShown(version uint64) {
	ctx, cancel := context.WithTimeout(c.ctx, registerShows)
	defer cancel()
	for {
		changed := c.maps.changed()
		m := c.Map()
		if c.named(m) || m.Version > version {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// call sends a request to a coordinator and waits for its reply.
func (c *Client) call(l *link, m protocol.Message, timeout time.Duration) (protocol.Reply, error) {
	type outcome struct {
		reply protocol.Reply
		err   error
	}
	answered := make(chan outcome, 1)
	l.link.Call(protocol.Encode(protocol.Timed{Timeout: timeout, Request: protocol.Encode(m)}), timeout, func(raw []byte, err error) {
		var o outcome
		if o.err = err; err == nil {
			o.reply, o.err = decodeReply(raw)
		}
		answered <- o
	})
	select {
	case o := <-answered:
		return o.reply, o.err
	case <-c.ctx.Done():
		return protocol.Reply{}, errClosed
	}
}

func decodeReply(raw []byte) (protocol.Reply, error) {
	m, err := protocol.Decode(raw)
	if err != nil {
		return protocol.Reply{}, err
	}
	if r, ok := m.(protocol.Reply); ok {
		return r, nil
	}
	return protocol.Reply{}, protocol.ErrMalformed
}

func (c *Client) pause(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}
