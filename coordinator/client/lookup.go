package client

import (
	"context"

	"github.com/holdfast-io/holdfast/partition"
)

// Node is a node of the map.
type Node = partition.Node

// Partition is one partition as a lookup found it. The epoch is the fencing
// token to send along with what is done on the strength of it.
type Partition struct {
	ID            string // "partition-5"
	Number        partition.ID
	Epoch         partition.Epoch
	Configuration *partition.Configuration
}

// GetPartition finds the partition of a key. It fails with ErrNotPlaced before
// the first placement.
func (c *Client) GetPartition(key string) (*Partition, error) { return nil, nil }

// IsPrimary reports whether this node is the partition's primary now. It is
// advisory: two nodes may both see true for a moment.
func (c *Client) IsPrimary(p *Partition) bool { return false }

// IsReplica reports whether this node is one of the partition's other in-sync
// replicas now.
func (c *Client) IsReplica(p *Partition) bool { return false }

// GetPrimary is the partition's primary now; nil while it has none.
func (c *Client) GetPrimary(p *Partition) *Node { return nil }

// GetReplicas are the partition's in-sync replicas now, without the primary.
func (c *Client) GetReplicas(p *Partition) []*Node { return nil }

// GetPartitionsForNode are the partitions that the node is an in-sync replica
// of, as primary or not.
func (c *Client) GetPartitionsForNode(node partition.NodeID) []*Partition { return nil }

// PartitionEvent is what a partition's hook is called with.
type PartitionEvent struct {
	Partition partition.ID
	Epoch     partition.Epoch
	Reason    string
	CopyFrom  *Node // where the partition's data can be copied from
	CopyTo    *Node // the node that is to have it
	Old, New  *partition.Configuration // Old is nil where it is not known
}

// OnPartitionChange registers a hook; see OnPartitionEvent.
func (c *Client) OnPartitionChange(hook func(partitionID string, copyFrom, copyTo *Node)) {}

// OnPartitionEvent registers a hook that is called when this node is to copy a
// partition.
func (c *Client) OnPartitionEvent(hook func(ctx context.Context, e PartitionEvent) error) {}
