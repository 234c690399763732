// Package client joins a cluster and follows its partition map: the library
// for every server that handles its partitions itself, and all that the data
// plane knows of the coordinators. It keeps the last map when they are gone.
// It never touches data, and never waits for the coordinators in a lookup.
package client

import (
	"context"

	"github.com/holdfast-io/holdfast/partition"
)

// Client follows a cluster's map, and is a node of it if it was made by Join.
type Client struct{}

// Map is the newest map known; it never changes, and it is never nil.
func (c *Client) Map() *partition.Map { return nil }

// WaitMap waits until the map's version is above after.
func (c *Client) WaitMap(ctx context.Context, after uint64) error { return nil }

// ClusterID is the cluster's identity, made at its creation.
func (c *Client) ClusterID() string { return "" }

// Self is this node as the map names it; false before that, and for followers.
func (c *Client) Self() (*partition.Node, bool) { return nil, false }

// Propose asks the coordinators for a change, in the background. It is best
// effort: the caller repeats it until a map shows a higher epoch. A refusal
// shows as a newer map.
func (c *Client) Propose(change partition.Change) {}

// Cluster tells of the coordinators, as far as they can be heard.
func (c *Client) Cluster() Cluster { return Cluster{} }

// Close leaves the coordinators without a word: the map still names the node.
func (c *Client) Close() error { return nil }

// Cluster is what a client knows of the coordinators and of the other nodes
// beyond the map.
type Cluster struct {
	Leader       string              // ID of the leading coordinator, "" if there is none
	Coordinators []CoordinatorStatus // sorted by ID, then address
	Suspected    []partition.NodeID  // nodes suspected by the coordinator followed
}

// CoordinatorStatus is one coordinator as this client sees it.
type CoordinatorStatus struct {
	ID        string // "" until it was heard of
	PeerAddr  string
	HTTPAddr  string
	Connected bool
}
