package client

import (
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// ErrNotPlaced says that the partitions are not placed yet.
var ErrNotPlaced = errors.New("the partitions are not placed yet")

// Node is a node of the map. One that a look-up returned must not be written to.
type Node = partition.Node

// GetPartition finds the partition of a key in the newest map. It fails with
// ErrNotPlaced before the first placement, and with ErrFenced where this program
// is a node that is not accepted any more.
func (c *Client) GetPartition(key string) (*Partition, error) {
	v := c.current.Load() // before the look at fenced, which is set before the map is
	m := v.m
	if reason := c.fenced.Load(); reason != nil {
		return nil, fmt.Errorf("find the partition of %q: %w", key, reason)
	}
	if !m.Placed() {
		return nil, fmt.Errorf("find the partition of %q: %w: %d of %d nodes are there",
			key, ErrNotPlaced, len(m.Nodes), m.Settings.ExpectNodes)
	}
	return c.found.partition(v, partition.OfString(key, len(m.Partitions))), nil
}

// GetPartitionByID is the partition of that number, as GetPartition returns it.
func (c *Client) GetPartitionByID(id partition.ID) (*Partition, error) {
	v := c.current.Load()
	if reason := c.fenced.Load(); reason != nil {
		return nil, fmt.Errorf("find %v: %w", id, reason)
	}
	if _, ok := v.m.Partition(id); !ok {
		return nil, fmt.Errorf("find %v: %w", id, ErrNotPlaced)
	}
	return c.found.partition(v, id), nil
}

// GetPartitionsForNode are the partitions that the node is an in-sync replica
// of in the newest map, as primary or not; none for this node once this program
// is fenced.
func (c *Client) GetPartitionsForNode(node partition.NodeID) []*Partition {
	v := c.current.Load()
	var out []*Partition
	if node == c.config.NodeID && c.fenced.Load() != nil {
		return nil
	}
	for i := range v.m.Partitions {
		if v.m.Partitions[i].InSync(node) {
			out = append(out, c.found.partition(v, partition.ID(i)))
		}
	}
	return out
}

// IsPrimary reports whether this start of this node was the partition's primary
// when p was looked up. It is advisory: two nodes may both see true for a moment,
// and receivers of what the primary sends refuse lower epochs than they know.
// It is false while the map does not name this start, and once this program is
// fenced, whenever p was looked up.
func (c *Client) IsPrimary(p *Partition) bool {
	return p != nil && c.isSelf(p.primary) && c.fenced.Load() == nil
}

// IsReplica reports whether this start of this node was an in-sync replica of
// the partition when p was looked up, and not its primary. It is false while
// the map does not name this start, and once this program is fenced.
func (c *Client) IsReplica(p *Partition) bool {
	if p == nil {
		return false
	}
	for _, n := range p.replicas {
		if n.ID == c.config.NodeID {
			return c.isSelf(n) && c.fenced.Load() == nil
		}
	}
	return false
}

// GetPrimary was the partition's primary when p was looked up; nil while it had
// none.
func (c *Client) GetPrimary(p *Partition) *Node {
	if p == nil {
		return nil
	}
	return p.primary
}

// GetReplicas were the partition's in-sync replicas when p was looked up,
// without the primary. The list must not be written to. A write goes to the
// learners too: see Write.
func (c *Client) GetReplicas(p *Partition) []*Node {
	if p == nil {
		return nil
	}
	return p.replicas
}

// GetLearners were the partition's learners when p was looked up: nodes that are
// brought up to date, and are not in sync yet. The list must not be written to.
func (c *Client) GetLearners(p *Partition) []*Node {
	if p == nil {
		return nil
	}
	return p.learners
}

// NodeID is this node's name; "" for a follower.
func (c *Client) NodeID() partition.NodeID { return c.config.NodeID }

// isSelf reports whether a node of the map is this start of this node.
func (c *Client) isSelf(n *Node) bool {
	return n != nil && n.ID == c.config.NodeID && n.Store == c.config.Store && n.Start() == c.config.Start
}

// sameStart reports whether two nodes of maps are one start of one node.
func sameStart(a, b *Node) bool {
	return a.ID == b.ID && a.Store == b.Store && a.Start() == b.Start()
}
