package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// Report is what a heartbeat says of its node.
type Report = protocol.Report

// Copy is a partition's copy on this node's disk, as its registration says.
type Copy = protocol.Copy

// Config is what a program joins a cluster with.
type Config struct {
	// NodeID names this program in the cluster; required.
	NodeID partition.NodeID
	// Coordinators are the peer addresses of the coordinators, "host:port";
	// required.
	Coordinators []string
	// Application that the cluster must serve; default "holdfast".
	Application string
	Zone        string // where it stands; replicas are kept in different zones
	HTTPAddr    string // its advertised addresses, for the map
	PeerAddr    string
	Services    map[string]string // addresses of its own services, by name
	Weight      uint32            // share of replicas relative to other nodes; default 1

	// Store is the identity of the disk's contents. Zero: a random one for this
	// process, for programs that start empty each time.
	Store partition.StoreID
	// Incarnation counts the starts on that store, raised durably before Join.
	// With Store zero it is 1.
	Incarnation uint64
	// ClusterID that the disk belongs to; "" if it is not known yet.
	ClusterID string
	// Copies on this disk at start. CurrentCopies, if set, tells them for a
	// registration that is repeated later, where the coordinators forgot us.
	Copies        []Copy
	CurrentCopies func() []Copy

	// Report is asked for the contents of each heartbeat, every 250 ms; nil
	// sends empty ones. MapVersion is filled in if it is zero.
	Report func() Report
	// OnMap is called with every map, in order, on one goroutine, and must not
	// block. Maps that follow one another at once may be passed over.
	OnMap func(m *partition.Map)
	// ProposesItself says that this program proposes its own changes of the
	// in-sync replicas. Otherwise the library proposes a learner of this node
	// once its hooks have returned nil.
	ProposesItself bool

	TLS     *tls.Config
	Network transport.Network // default transport.TCP()
	Logger  *slog.Logger      // nil: nothing is logged
}

// FollowConfig is what a program follows a cluster's map with, without being a
// node of it.
type FollowConfig struct {
	Coordinators []string
	Application  string // "" follows whatever application the cluster serves
	OnMap        func(m *partition.Map)
	TLS          *tls.Config
	Network      transport.Network
	Logger       *slog.Logger
}

// Join makes the program a node of the cluster. It returns when a map names
// this boot of it; ctx bounds only that. Its error is a *RefusedError where the
// coordinators refuse the node.
func Join(ctx context.Context, c Config) (*Client, error) { return nil, errors.ErrUnsupported }

// Follow follows the map. It returns with the first map; ctx bounds only that.
func Follow(ctx context.Context, c FollowConfig) (*Client, error) { return nil, errors.ErrUnsupported }

// RefusedError says that the coordinators do not accept this node, and why.
type RefusedError struct {
	Node   partition.NodeID
	Reason string
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("coordinators refuse node %s: %s", e.Node, e.Reason)
}
