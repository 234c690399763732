package client

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// Report is what a heartbeat says of its node.
type Report = protocol.Report

// Corrupt is a copy of which a heartbeat says that it does not hold what it should.
type Corrupt = liveness.Corrupt

// Copy is a partition's copy on this node's disk, as its registration says.
type Copy = protocol.Copy

// Config is what a program joins a cluster with.
type Config struct {
	// NodeID names this program in the cluster; required.
	NodeID partition.NodeID
	// Coordinators are the peer addresses of the coordinators, "host:port";
	// required.
	Coordinators []string
	// Application that the cluster must serve, as its coordinators were started
	// with; default "holdfast", the data nodes' own: a program of another kind that
	// joins such a cluster gets partitions of the data nodes.
	Application string
	Zone        string // where it stands; replicas are kept in different zones
	HTTPAddr    string // its advertised addresses, for the map
	PeerAddr    string
	Services    map[string]string // addresses of its own services, by name
	Weight      uint32            // share of replicas relative to other nodes; 0: as the map has it, at first 1

	// Store is the identity of the disk's contents. Zero: a random one for this
	// process, for programs that start empty each time.
	Store partition.StoreID
	// Start identifies this start on that store: a counter that the store keeps,
	// raised durably before Join, and a random number drawn anew each time. With
	// Store zero it is drawn here.
	Start partition.Start
	// Accepted is the last start on the store that the coordinators accepted, zero
	// for none, and Since are those between it and this one, oldest first. By them
	// the coordinators tell a store from an earlier copy of it.
	Accepted partition.Start
	Since    []partition.Start
	// AcceptedIn is the version of a map that named Accepted; zero: not known.
	AcceptedIn uint64
	// OnAccepted, if set, is called once the coordinators have accepted this
	// start, before Join returns: it must make Start durable as Accepted, with the
	// version of the map as AcceptedIn, or Join fails with its error.
	OnAccepted func(mapVersion uint64) error
	// ClusterID that the disk belongs to; "" if it is not known yet.
	ClusterID string
	// Copies on this disk at start. CurrentCopies, if set, tells them for a
	// registration that is repeated later, where the coordinators forgot us.
	Copies []Copy
	// Where sealed is not 0, the coordinators went back to an old map: the program
	// adopts nothing from then on before a map above that version, so that what it
	// says here stays true.
	CurrentCopies func(sealed uint64) []Copy

	// Report is asked for the contents of each heartbeat, every 250 ms; nil
	// sends empty ones. MapVersion is filled in if it is zero.
	Report func() Report
	// OnMap is called with every map, in order, on one goroutine, and must not
	// block. Maps that follow one another at once may be passed over.
	OnMap func(m *partition.Map)
	// ProposesItself says that this program proposes its own changes of the in-sync
	// replicas, replicates by itself, and does not use Write. Otherwise the library
	// proposes a learner, at its primary, once the learner's hooks have returned nil.
	ProposesItself bool
	// NothingToCopy says that a new replica needs nothing from another: this program
	// keeps nothing, or what it keeps is shared. A learner without hooks is proposed at
	// once then. Without it such a learner stays one, for its hooks may be registered
	// later, and a replica that has not copied would lose what was acknowledged.
	NothingToCopy bool

	// OnFenced, if set, is called when this program must stop acting as its node
	// at once: the map names another start of it, or the coordinators refuse it
	// for good. It returns before look-ups or OnMap show that map. The error wraps
	// ErrFenced; OnRefused follows when the coordinators have confirmed it.
	OnFenced func(error)
	// OnRefused, if set, is called each time that the coordinators refuse this
	// program: for good, after which it asks no more, or with RefusedError.Waits.
	// Both hooks are called on a goroutine of the client's, and may not block.
	OnRefused func(*RefusedError)

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

// DefaultApplication is the application of a cluster that was not made for
// another.
const DefaultApplication = "holdfast"

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	if c.NodeID == "" {
		errs = append(errs, errors.New("the node ID is missing"))
	}
	if c.Store != 0 && (c.Start.Incarnation == 0 || c.Start.ID == 0) {
		errs = append(errs, errors.New("the start is missing: a store counts its starts from 1, and each draws a random number that is not zero"))
	}
	if c.Store == 0 && !c.Accepted.IsZero() {
		errs = append(errs, errors.New("a start without a store has none accepted before it"))
	}
	return errors.Join(append(errs, checkCoordinators(c.Coordinators))...)
}

func checkCoordinators(addrs []string) error {
	if len(addrs) == 0 {
		return errors.New("no coordinator's address is given")
	}
	var errs []error
	for _, addr := range addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			errs = append(errs, fmt.Errorf("coordinator %q: %w", addr, err))
		}
	}
	return errors.Join(errs...)
}

func (c Config) withDefaults() Config {
	if c.Application == "" {
		c.Application = DefaultApplication
	}
	if c.Store == 0 {
		c.Store, c.Start = randomStore(), partition.Start{Incarnation: 1, ID: partition.StartID(randomStore())}
	}
	if c.Network == nil {
		c.Network = transport.TCP()
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func randomStore() partition.StoreID {
	for {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails, as its documentation says
		if v := binary.LittleEndian.Uint64(b[:]); v != 0 {
			return partition.StoreID(v)
		}
	}
}
