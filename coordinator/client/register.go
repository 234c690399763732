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

// registration registers this boot whenever the map does not name it, and once
// more whenever the coordinators went back to an old map: then they need to know
// what this process has adopted.
func (c *Client) registration() {
	first, told := true, wentBack{}
	for c.ctx.Err() == nil {
		changed := c.maps.changed()
		m, back := c.Map(), c.follow.wentBack()
		// Before the first registration the map need not be known.
		if c.named(m) && (back.behind == 0 || told == back) || !first && m.Version == 0 {
			select {
			case <-changed:
			case <-c.ctx.Done():
			}
			continue
		}
		reply, err := c.register(first, back)
		var refusal *RefusedError
		switch {
		case errors.As(err, &refusal) && refusal.Waits && c.named(m):
			// It goes on with the map that it has.
			c.log.Warn("the coordinators went back to an old map: this node has reported what it has", "node", c.config.NodeID, "err", refusal)
			told = back
			c.pauseUntil(changed)
		case errors.As(err, &refusal):
			c.refuse(refusal)
			if !refusal.Waits {
				return // the same start is never accepted
			}
			told = back
			c.pauseUntil(changed)
		case err != nil:
			c.log.Debug("registration failed", "node", c.config.NodeID, "err", err)
			c.pause(registerAgain)
		default:
			first, told = false, back
			c.refused.Store(nil)
			c.untilShown(reply.Version)
		}
	}
}

// register asks once. Where the coordinators went back to an old map, it reports.
func (c *Client) register(first bool, back wentBack) (protocol.Reply, error) {
	l := c.best()
	if l == nil {
		return protocol.Reply{}, errors.New("no coordinator can be reached")
	}
	seen, copies := c.Map(), c.config.Copies
	if !first && c.config.CurrentCopies != nil {
		sealed := uint64(0)
		if back.behind != 0 {
			// The next map to be adopted is the recovered one, above all of them.
			sealed = max(seen.Version, back.frozen)
		}
		if copies = c.config.CurrentCopies(sealed); sealed != 0 && c.Map().Version > sealed {
			return protocol.Reply{}, errors.New("the map changed while the copies were looked at")
		}
	}
	if back.behind != 0 && c.config.CurrentCopies == nil {
		copies = c.heldNow()
	}
	m := protocol.Register{
		Node: partition.Node{
			ID: c.config.NodeID, Store: c.config.Store, Incarnation: c.config.Start.Incarnation, StartID: c.config.Start.ID, Zone: c.config.Zone,
			HTTPAddr: c.config.HTTPAddr, PeerAddr: c.config.PeerAddr, Services: c.config.Services, Weight: c.config.Weight,
		},
		ClusterID: c.ClusterID(), Application: c.config.Application, Copies: copies,
		Accepted: c.config.Accepted, AcceptedIn: c.config.AcceptedIn, Since: c.config.Since, Superseded: c.superseded.Load(),
		Stateless: c.config.CurrentCopies == nil, Map: seen.Stamp(),
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

// heldNow is what a program has that reports no copies of its own: while it runs,
// the replicas that the newest map it acts on gives to this start.
func (c *Client) heldNow() []Copy {
	m := c.Map()
	if !c.named(m) {
		return nil
	}
	var out []Copy
	for i := range m.Partitions {
		p := &m.Partitions[i]
		if p.InSync(c.config.NodeID) || p.IsLearner(c.config.NodeID) {
			out = append(out, Copy{Partition: p.ID, Epoch: p.Epoch, Lineage: p.Lineage, Configuration: p.Clone()})
		}
	}
	return out
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

// pauseUntil waits before the next attempt of one that was refused, and no longer
// than until changed is closed.
func (c *Client) pauseUntil(changed <-chan struct{}) {
	select {
	case <-changed:
	case <-time.After(refusedAgain):
	case <-c.ctx.Done():
	}
}

func (c *Client) pause(d time.Duration) {
	select {
	case <-c.ctx.Done():
	case <-time.After(d):
	}
}
