package client

import (
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// link is the connection to one coordinator.
type link struct {
	addr string
	link transport.Link
}

// hello is what the coordinator said of itself; false while not connected.
func (l *link) hello() (protocol.Hello, bool) {
	h, ok := l.link.Identity().(protocol.Hello)
	return h, ok
}

// connect dials every coordinator.
func (c *Client) connect() {
	for _, addr := range c.config.Coordinators {
		c.links = append(c.links, &link{addr: addr})
	}
	for _, l := range c.links {
		l.link = c.config.Network.Dial(l.addr, transport.Options{
			TLS: c.config.TLS, Hello: c.hello, Verify: c.verify, Handler: streamHandler{c: c, from: l}, Logger: c.log,
		})
	}
}

func (c *Client) hello() []byte {
	return protocol.Hello{
		Role: c.role, Name: string(c.config.NodeID), ClusterID: c.ClusterID(), Application: c.config.Application,
		Store: c.config.Store, Start: c.config.Start,
	}.Encode()
}

func (c *Client) verify(theirs []byte) (any, error) {
	h, err := protocol.DecodeHello(theirs)
	if err != nil {
		return nil, err
	}
	if h.Role != protocol.RoleCoordinator {
		return nil, errors.New("it is no coordinator")
	}
	if own := c.ClusterID(); own != "" && h.ClusterID != "" && own != h.ClusterID {
		return nil, fmt.Errorf("this is of cluster %s, coordinator %s is of cluster %s", own, h.Name, h.ClusterID)
	}
	if own := c.config.Application; own != "" && h.Application != "" && own != h.Application {
		return nil, fmt.Errorf("this is for application %q, the cluster serves %q", own, h.Application)
	}
	return h, nil
}

// troubles are why the links that are down are down.
func (c *Client) troubles() error {
	var errs []error
	for _, l := range c.links {
		if err := l.link.Err(); err != nil {
			errs = append(errs, fmt.Errorf("coordinator at %s: %w", l.addr, err))
		}
	}
	return errors.Join(errs...)
}

// turnedAway returns the reason where every coordinator refused the hello, or
// was refused by ours.
func (c *Client) turnedAway() (string, bool) {
	reason := ""
	for _, l := range c.links {
		var refusal *transport.RefusedError
		if err := l.link.Err(); err == nil || !errors.As(err, &refusal) {
			return "", false
		}
		reason = refusal.Reason
	}
	return reason, true
}

// best is the link for a request: to the leader if we know it, else to the
// coordinator followed, else any that is connected; nil if none is.
func (c *Client) best() *link {
	leader := ""
	if b := c.beat.Load(); b != nil {
		leader = b.Leader
	}
	followed := c.follow.link()
	var any *link
	for _, l := range c.links {
		h, connected := l.hello()
		switch {
		case !connected:
			continue
		case leader != "" && h.Name == leader:
			return l
		case any == nil || l == followed:
			any = l
		}
	}
	return any
}

// Cluster is what a client knows of the coordinators and of the other nodes
// beyond the map.
type Cluster struct {
	Leader       string              // ID of the leading coordinator, "" if there is none
	Coordinators []CoordinatorStatus // in the order of Config.Coordinators
	Suspected    []partition.NodeID  // nodes suspected by the coordinator followed
}

// CoordinatorStatus is one coordinator as this client sees it.
type CoordinatorStatus struct {
	ID        string // "" until it was heard of
	PeerAddr  string
	HTTPAddr  string
	Connected bool
}

// Cluster tells of the coordinators, as far as they can be heard.
func (c *Client) Cluster() Cluster {
	var out Cluster
	known := map[string]protocol.Member{}
	if b := c.beat.Load(); b != nil {
		for _, m := range b.Members {
			known[m.PeerAddr] = m
		}
		out.Suspected = b.Suspected
		out.Leader = b.Leader
	}
	live := false
	for _, l := range c.links {
		s := CoordinatorStatus{ID: known[l.addr].ID, PeerAddr: l.addr, HTTPAddr: known[l.addr].HTTPAddr}
		if h, connected := l.hello(); connected {
			s.ID, s.HTTPAddr, s.Connected = h.Name, h.HTTPAddr, true
			live = true
		}
		out.Coordinators = append(out.Coordinators, s)
	}
	if !live {
		out.Leader = ""
	}
	return out
}
