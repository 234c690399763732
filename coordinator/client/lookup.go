package client

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/holdfast-io/holdfast/partition"
)

// ErrNotPlaced says that the partitions are not placed yet.
var ErrNotPlaced = errors.New("the partitions are not placed yet")

// Node is a node of the map.
type Node = partition.Node

// Partition is one partition as a lookup found it. The epoch is the fencing
// token to send along with what is done on the strength of it.
type Partition struct {
	ID     string // "partition-5"
	Number partition.ID
	Epoch  partition.Epoch
	// Configuration is all that the map said of it; it must not be written to.
	Configuration *partition.Configuration
}

func partitionOf(c *partition.Configuration) *Partition {
	return &Partition{ID: c.ID.String(), Number: c.ID, Epoch: c.Epoch, Configuration: c}
}

// found keeps what lookups return, so that a lookup allocates nothing while its
// partition does not change. It is made with the first placement.
type found []atomic.Pointer[Partition]

// partition returns what is kept, or keeps what the map says now.
func (f *found) partition(cur *partition.Configuration) *Partition {
	at := &(*f)[cur.ID]
	if p := at.Load(); p != nil && p.Epoch == cur.Epoch && p.Configuration.Lineage == cur.Lineage && p.Configuration.Primary == cur.Primary {
		return p
	}
	own := *cur // not a pointer into a map, which it would keep in memory
	p := partitionOf(&own)
	at.Store(p)
	return p
}

// GetPartition finds the partition of a key. It fails with ErrNotPlaced before
// the first placement.
func (c *Client) GetPartition(key string) (*Partition, error) {
	m := c.Map()
	if !m.Placed() {
		return nil, fmt.Errorf("find the partition of %q: %w: %d of %d nodes are there",
			key, ErrNotPlaced, len(m.Nodes), m.Settings.ExpectNodes)
	}
	cur := &m.Partitions[partition.OfString(key, len(m.Partitions))]
	kept := c.found.Load()
	if kept == nil || len(*kept) != len(m.Partitions) {
		made := make(found, len(m.Partitions))
		kept = &made
		c.found.Store(kept)
	}
	return kept.partition(cur), nil
}

// now is what the newest map says of a partition; an empty configuration where
// there is none.
func (c *Client) now(p *Partition) (*partition.Map, *partition.Configuration) {
	m := c.Map()
	if p != nil {
		if cur, ok := m.Partition(p.Number); ok {
			return m, cur
		}
	}
	return m, &partition.Configuration{}
}

// IsPrimary reports whether this node is the partition's primary now. It is
// advisory: two nodes may both see true for a moment.
func (c *Client) IsPrimary(p *Partition) bool {
	_, cur := c.now(p)
	return cur.Primary != "" && cur.Primary == c.config.NodeID
}

// IsReplica reports whether this node is one of the partition's in-sync
// replicas now, and not its primary.
func (c *Client) IsReplica(p *Partition) bool {
	_, cur := c.now(p)
	return cur.Primary != c.config.NodeID && cur.InSync(c.config.NodeID)
}

// GetPrimary is the partition's primary now; nil while it has none.
func (c *Client) GetPrimary(p *Partition) *Node {
	m, cur := c.now(p)
	n, _ := m.Node(cur.Primary)
	return n
}

// GetReplicas are the partition's in-sync replicas now, without the primary:
// those that the primary hands its writes to.
func (c *Client) GetReplicas(p *Partition) []*Node {
	m, cur := c.now(p)
	var out []*Node
	for _, r := range cur.Replicas {
		if n, known := m.Node(r.Node); known && r.Node != cur.Primary {
			out = append(out, n)
		}
	}
	return out
}

// GetPartitionsForNode are the partitions that the node is an in-sync replica
// of, as primary or not.
func (c *Client) GetPartitionsForNode(node partition.NodeID) []*Partition {
	m := c.Map()
	var out []*Partition
	for i := range m.Partitions {
		if cur := &m.Partitions[i]; cur.InSync(node) {
			out = append(out, partitionOf(cur))
		}
	}
	return out
}

// GetPartitionByID is the partition of that number, as GetPartition returns it.
func (c *Client) GetPartitionByID(id partition.ID) (*Partition, error) {
	cur, ok := c.Map().Partition(id)
	if !ok {
		return nil, fmt.Errorf("find %v: %w", id, ErrNotPlaced)
	}
	own := *cur
	return partitionOf(&own), nil
}

// NodeID is this node's name; "" for a follower.
func (c *Client) NodeID() partition.NodeID { return c.config.NodeID }
