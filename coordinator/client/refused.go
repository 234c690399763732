package client

import (
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// ErrFenced says that this program acts as its node no longer: the map names
// another start of the node, or the coordinators refuse this one for good. Only
// a new start of the program can be accepted. Errors that wrap it also wrap a
// *RefusedError, which has the reason.
var ErrFenced = errors.New("this program is not a node of the cluster any more")

// RefusedError says that the coordinators do not accept this program, and why.
type RefusedError struct {
	Node   partition.NodeID // "" for a follower
	Reason string
	// Above is a counter that the node's next start must exceed, for another
	// history of its store has used it; 0: none.
	Above uint64
	// Removed: the node was taken out of the cluster for good, with its disk.
	Removed bool
	// Waits: the refusal is not for good. The program asks again every few
	// seconds, and is accepted once the condition that Reason names has ended.
	Waits bool
	// TurnedAway: every coordinator refuses to talk to this program at all, for
	// they are of another cluster or version. A node is not ready meanwhile.
	TurnedAway bool
}

// Error implements error.
func (e *RefusedError) Error() string {
	who := fmt.Sprintf("node %s", e.Node)
	if e.Node == "" {
		who = "this follower"
	}
	if e.Waits {
		return fmt.Sprintf("coordinators do not accept %s yet: %s", who, e.Reason)
	}
	return fmt.Sprintf("coordinators refuse %s: %s", who, e.Reason)
}

// Is makes errors.Is(err, ErrFenced) hold for a node that is refused for good.
func (e *RefusedError) Is(target error) bool {
	return target == ErrFenced && !e.Waits && e.Node != ""
}

// Fenced returns nil while this program may act as its node. Otherwise the error
// wraps ErrFenced and a *RefusedError with the reason: at first what the map
// says, then what the coordinators say.
func (c *Client) Fenced() error {
	if reason := c.fenced.Load(); reason != nil {
		return reason
	}
	return nil
}

// look fences this program before a map becomes current that gives its place to
// another start: it stops acting as the node before it asks anybody. The caller
// is publish.
func (c *Client) look(next *partition.Map) {
	if c.role != protocol.RoleNode {
		return
	}
	self := partition.Node{ID: c.config.NodeID, Store: c.config.Store, Incarnation: c.config.Start.Incarnation, StartID: c.config.Start.ID}
	switch {
	case c.accepted.Load() && partition.Superseded(c.Map(), next, &self):
		other, _ := next.Node(self.ID)
		c.superseded.Store(next.Version)
		c.log.Warn("the map names another start of this node: this one stops acting as the node, and asks the coordinators",
			"node", self.ID, "store", other.Store.String(), "start", other.Start().String(), "addr", other.PeerAddr)
		c.fence(&RefusedError{Node: self.ID, Reason: fmt.Sprintf(
			"map version %d names another start of the node: %v on store %v at %s", next.Version, other.Start(), other.Store, other.PeerAddr)})
	case c.named(next):
		c.accepted.Store(true)
		c.superseded.Store(0)
		if reason := c.fenced.Load(); reason != nil && c.refused.Load() != reason {
			c.fenced.CompareAndSwap(reason, nil) // the coordinators have accepted it again
		}
	}
}

// fence ends this program's part as a node. Config.OnFenced is called the first
// time.
func (c *Client) fence(reason *RefusedError) {
	if c.fenced.Swap(reason) != nil {
		return
	}
	if c.config.OnFenced != nil {
		c.config.OnFenced(reason)
	}
	c.leading.endAll()
	c.maps.again() // hooks that copy for the node end
}

// refuse notes that the coordinators do not want this program; whoever waits to
// join is told. A node that is refused for good is fenced.
func (c *Client) refuse(reason *RefusedError) {
	switch last := c.refused.Swap(reason); {
	case last != nil && *last == *reason: // said already
	case reason.Waits:
		c.log.Error("not accepted by the coordinators yet; asking again", "node", c.config.NodeID, "err", reason)
	default:
		c.log.Error("refused by the coordinators for good; this start asks no more", "node", c.config.NodeID, "err", reason)
	}
	if c.role == protocol.RoleNode && !reason.Waits {
		c.fence(reason)
	}
	c.maps.tell()
	if c.config.OnRefused != nil {
		c.config.OnRefused(reason)
	}
}
