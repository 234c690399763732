// Package coordinator is one member of the Raft group that keeps the partition
// map: it applies commands to coordinator/state, feeds coordinator/liveness
// with the nodes' heartbeats, streams the map to whoever follows it, and
// serves administration over HTTP. The command line starts it. It never sees a
// client's data, and nothing on the data path waits for it.
package coordinator

import "errors"

// Coordinator is a running member of the group.
type Coordinator struct{}

// Start opens the data directory, listens, and joins the group. It returns
// before the group has a leader, and before the other members of a group that
// is being made have been heard of; what goes wrong after that ends Done.
func Start(c Config) (*Coordinator, error) { return nil, errors.ErrUnsupported }

// HTTPAddr is the address actually listened on, "" without HTTP.
func (c *Coordinator) HTTPAddr() string { return "" }

// PeerAddr is the address actually listened on.
func (c *Coordinator) PeerAddr() string { return "" }

// Done is closed when the coordinator has stopped, by Close or because of Err.
func (c *Coordinator) Done() <-chan struct{} { return nil }

// Err is why the coordinator stopped by itself; nil after Close.
func (c *Coordinator) Err() error { return nil }

// Close hands leadership over, stops everything, and waits for it.
func (c *Coordinator) Close() error { return nil }
