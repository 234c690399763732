// Package dataplane is a data node put together from its parts: storage,
// replica groups, connections to the other nodes, the coordinators' client and
// the HTTP gateway. Programs start one with Start and end it with Close; any
// number of nodes may live in one process. It has no global state, and decides
// nothing of the protocol: that is replica's work.
package dataplane

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/hashicorp/raft-wal/types"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane/gateway"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// Default listen addresses and limits of a node.
const (
	DefaultHTTPAddr    = "127.0.0.1:7070"
	DefaultPeerAddr    = "127.0.0.1:7071"
	DefaultApplication = "holdfast"
	DefaultMemoryTable = 256 << 20
	DefaultRetention   = 256 << 20
	DefaultInboxBytes  = 64 << 20
	DefaultDiskReserve = 512 << 20
	DefaultExpiryRate  = 4000
	DefaultScrubRate   = 2 << 20
)

// Config is what a node is started with. Zero fields take their defaults.
type Config struct {
	// NodeID is the node's name in the map; DataDir holds everything it keeps.
	NodeID  partition.NodeID
	DataDir string
	// HTTPAddr and PeerAddr are listened on. Port 0 takes a free one. The
	// advertised ones are what others dial; by default those listened on.
	HTTPAddr, PeerAddr                   string
	AdvertiseHTTPAddr, AdvertisePeerAddr string
	// Coordinators are their peer addresses; one that answers is enough.
	Coordinators []string
	// Application must be the one that the cluster was created for.
	Application string
	Zone        string

	// MemoryTable bounds the tables in memory above bbolt, LogRetention the log
	// that is kept for replicas that come back, both in bytes for the node.
	MemoryTable, LogRetention int64
	// InboxBytes bounds what operations may wait for one executor, in bytes;
	// beyond it an operation is refused at once, before any log.
	InboxBytes int64
	// DiskReserve is how much of the disk is kept free, in bytes: below it PUTs
	// are refused, until more than DiskResume is free; default 5/4 of the reserve.
	DiskReserve, DiskResume int64
	// ExpiryRate is how many values with a TTL are removed a second, at most,
	// once they have ended and nobody has read them.
	ExpiryRate int
	// ScrubRate is how many bytes a second of what is stored are read and checked
	// for their own sake; below zero: none.
	ScrubRate int64
	// FreeSpace returns what is free on the disk of a directory, in bytes; nil
	// asks the file system.
	FreeSpace func(dir string) (int64, error)
	// LogFiles are the files of the shared log; nil is the machine's. Tests supply
	// some that fail.
	LogFiles types.VFS
	// Limits bound what HTTP clients may ask for.
	Limits gateway.Limits
	// Executors is how many goroutines step replicas, at most Lanes.
	Executors int
	// Timings are the protocol's; all nodes of a cluster must have the same.
	Timings replica.Timings

	// TLS secures the connections between processes; nil is plain TCP. Network
	// makes them; nil is the machine's.
	TLS     *tls.Config
	Network transport.Network
	// Logger and Registerer may be shared between nodes of a process if they
	// carry what tells the nodes apart. Gatherer is what /metrics shows.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Gatherer   prometheus.Gatherer
	// Failed, if set, is called once, from a goroutine of the node, when it
	// cannot go on: its disk failed. The process should end; Close still works,
	// but not from within Failed, which it waits for.
	Failed func(err error)
}

// WithDefaults returns the configuration with zero fields replaced.
func (c Config) WithDefaults() Config {
	setDefault(&c.HTTPAddr, DefaultHTTPAddr)
	setDefault(&c.PeerAddr, DefaultPeerAddr)
	setDefault(&c.Application, DefaultApplication)
	setDefault(&c.MemoryTable, DefaultMemoryTable)
	setDefault(&c.LogRetention, DefaultRetention)
	setDefault(&c.InboxBytes, DefaultInboxBytes)
	setDefault(&c.DiskReserve, DefaultDiskReserve)
	setDefault(&c.DiskResume, c.DiskReserve+c.DiskReserve/4)
	setDefault(&c.ExpiryRate, DefaultExpiryRate)
	setDefault(&c.ScrubRate, DefaultScrubRate)
	c.Limits = c.Limits.WithDefaults()
	// One for two processors: fewer executors do more at a time, and the rest of
	// a node takes several times the processor time that they do.
	setDefault(&c.Executors, min(max(runtime.GOMAXPROCS(0)/2, 1), maxExecutors))
	setDefault(&c.Timings, replica.DefaultTimings())
	setDefault(&c.Logger, slog.New(slog.DiscardHandler))
	if c.Network == nil {
		c.Network = transport.TCP()
	}
	if c.Registerer == nil && c.Gatherer == nil {
		registry := prometheus.NewRegistry()
		c.Registerer, c.Gatherer = registry, registry
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Validate reports everything that is wrong with a configuration that has its
// defaults, all faults at once.
func (c Config) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.NodeID == "", "id: a node needs a name")
	fault(strings.ContainsFunc(string(c.NodeID), notInNames), "id %q: want letters, digits, '.', '_' and '-' only", c.NodeID)
	fault(len(c.NodeID) > maxName, "id: %d bytes long, at most %d", len(c.NodeID), maxName)
	fault(c.DataDir == "", "data-dir: not set")
	fault(len(c.Coordinators) == 0, "coordinators: name at least one, by its peer address")
	for _, addr := range c.Coordinators {
		if err := checkAddress(addr); err != nil {
			faults = append(faults, fmt.Errorf("coordinators: %w", err))
		}
	}
	faults = append(faults,
		checkAdvertised("http-addr", c.HTTPAddr, "advertise-http-addr", c.AdvertiseHTTPAddr),
		checkAdvertised("peer-addr", c.PeerAddr, "advertise-peer-addr", c.AdvertisePeerAddr))
	fault(c.MemoryTable < 0, "memory-table: %d is negative", c.MemoryTable)
	fault(c.LogRetention < 0, "log-retention: %d is negative", c.LogRetention)
	fault(c.ExpiryRate < 0, "expiry-rate: %d is negative", c.ExpiryRate)
	fault(c.DiskReserve < 0, "disk-reserve: %d is negative", c.DiskReserve)
	fault(c.DiskResume < c.DiskReserve, "disk-resume: %d is below disk-reserve, %d", c.DiskResume, c.DiskReserve)
	if err := c.Limits.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("limits: %w", err))
	}
	fault(c.Limits.Value > maxValue, "limits: values of %d bytes, want at most %d", c.Limits.Value, maxValue)
	fault(c.InboxBytes < 2*c.Limits.Value, "inbox-memory: %d, want at least two of the largest values, %d", c.InboxBytes, 2*c.Limits.Value)
	fault(c.Executors < 1 || c.Executors > Lanes, "executors: %d, want 1 to %d", c.Executors, Lanes)
	fault(c.Timings.Promise*9 < c.Timings.Lease*11, // clock rates differ by 10 %
		"timings: a promise of %v is less than 11/9 of the lease of %v", c.Timings.Promise, c.Timings.Lease)
	fault(c.Timings.Beacon <= 0 || c.Timings.Beacon*2 > c.Timings.Lease,
		"timings: a beacon every %v cannot keep a lease of %v alive", c.Timings.Beacon, c.Timings.Lease)
	return errors.Join(faults...)
}

// tickInterval is how often an executor lets time pass in its replicas.
const tickInterval = 25 * time.Millisecond

// maxExecutors is how many executors a node has by default, at most.
const maxExecutors = 4

// maxValue bounds the largest value that a node may be told to take, in bytes:
// it must fit into a message between nodes.
const maxValue = 8 << 20

// notInNames reports characters that no node's name has: it stands in routes,
// lists and messages.
func notInNames(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
}

// maxName is the longest node name, in bytes.
const maxName = 255

// Lanes is how many groups share a node's partitions: partition p belongs to
// lane p mod Lanes, on every node. It is part of the protocol between nodes,
// for a beacon is about the partitions of one lane; executors divide the lanes
// of their node between them.
const Lanes = 8
