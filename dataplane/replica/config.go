package replica

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// State is a partition's applied state, as the replica needs it. Storage
// implements it over its table and bbolt; the simulator has a model of it.
type State interface {
	// Lookup returns the version of a key's value; false if there is none.
	Lookup(key []byte) (entry.Version, bool, error)
	// Get returns the value too. The value must not be written to.
	Get(key []byte) ([]byte, entry.Version, bool, error)
	// Request tells what an applied request answered, or that its ID lies
	// below the lowest open counter of its origin.
	Request(id entry.RequestID) (result entry.Result, applied, forgotten bool)
	// Remembered tells what an applied request with that Idempotency-Key
	// answered, while that is kept (entry.Remember).
	Remembered(id entry.IdempotencyID) (entry.Remembered, bool, error)
	// NextExpiry returns a logged time before which no value expires, zero
	// where none ever does. It is cheap.
	NextExpiry() entry.LoggedTime
	// Expired returns up to most keys whose values may have expired by that
	// time. It goes on from call to call, and begins again now and then.
	Expired(by entry.LoggedTime, most int) ([][]byte, error)
	// Apply applies committed entries, in order, without gaps. They are
	// readable when it returns.
	Apply(entries []*entry.Entry)
	// Hash returns the rolling hash of all entries applied: the same on every
	// replica that applied the same.
	Hash() uint64
}

// Timings are the protocol's durations, by the node's own clock. Clock rates
// may differ by 10 %, so Promise must be at least 1.1/0.9 = 1.222 times Lease.
type Timings struct {
	Lease          time.Duration // L: how long a lease lasts from when its beacon was sent
	Promise        time.Duration // G: how long a promise lasts from when it was given
	Beacon         time.Duration // between beacons
	SlowSecondary  time.Duration // an entry or beacon unanswered for that long: removal (C3)
	ConnectionGone time.Duration // a connection gone for that long: removal (C3)
	Resend         time.Duration // nothing heard of what was sent for that long: send again
	Propose        time.Duration // between repetitions of a proposed change
	Readmit        time.Duration // a learner removed twice in a minute waits that long, doubled each time (K3)
	HashCheck      time.Duration // between comparisons of the hashes of a partition's replicas
}

// DefaultTimings returns the timings of a cluster on a local network.
func DefaultTimings() Timings {
	return Timings{
		Lease: time.Second, Promise: 1250 * time.Millisecond, Beacon: 250 * time.Millisecond,
		SlowSecondary: time.Second, ConnectionGone: 500 * time.Millisecond,
		Resend: 300 * time.Millisecond, Propose: 250 * time.Millisecond, Readmit: 5 * time.Second,
		HashCheck: time.Minute,
	}
}

// Config is what a group of replicas is made with.
type Config struct {
	Self              Peer
	MinInSync         int
	ReplicationFactor int
	Timings           Timings
	MaxAppendBytes    int // most bytes of entries in one Append; default 1 MiB
	MaxUnackedBytes   int // most bytes sent to a peer for one partition and not acknowledged; default 8 MiB
	ExpiryBatch       int // most expired values removed in one tick of the group; default 16
	LogRetention      int // bytes of flushed entries that the group keeps for learners to come; default 64 MiB
	AwayRetention     int // the same for partitions of which a replica is away; default, and at least, LogRetention
	// Owns says which partitions are the group's; nil means all.
	Owns func(partition.ID) bool
	// Booted is when this boot started; HeldPromise the longest promise that an
	// earlier boot may have given, zero for a new store (L2, L5).
	Booted      Time
	HeldPromise time.Duration
	// Open makes the empty state of a copy that is new on this node. It may not
	// block.
	Open func(id partition.ID, lineage uint32) State
	// Drop deletes a copy, from within an input: what Open makes after it is
	// another. It may not block; the deletion may be on disk later, in the order
	// of what is written.
	Drop func(id partition.ID)
	// Publish is called, from within an input, when a replica's view changes.
	Publish func(id partition.ID, view *View)
}

// Copy is a replica's part on disk, as storage recovered it.
type Copy struct {
	Partition partition.ID
	Lineage   uint32
	Adopted   partition.Epoch  // highest epoch it has adopted
	Applied   entry.Position   // the last entry in State
	Logged    entry.LoggedTime // of State
	Log       []*entry.Entry   // those after Applied, without gaps, all of them synced
	State     State
	// Configuration is that of Adopted; nil where no epoch was adopted.
	Configuration *partition.Configuration
}

// SnapshotOrder asks the driver to stream the partition's state to a learner
// (K1). The driver reports the end with Group.SnapshotSent.
type SnapshotOrder struct {
	Partition partition.ID
	To        partition.NodeID
	Epoch     partition.Epoch
	ID        uint64
}

// SnapshotMeta describes a snapshot: a partition's state as of one position.
type SnapshotMeta struct {
	Partition partition.ID
	Epoch     partition.Epoch // of the order
	Lineage   uint32
	ID        uint64
	Applied   entry.Position
	Logged    entry.LoggedTime // of the state, once it is installed
	Estimated int64            // bytes in all chunks together, roughly; for people
}

// Output is what a group asks its driver to do, in this order: write the
// records, send the messages, give the answers, then the rest. Only an answer
// needs nothing more to wait for; acknowledgements are already held back until
// their records are synced.
type Output struct {
	Records   []entry.Record // for the shared log, in order; then Group.Synced(Ticket)
	Ticket    uint64         // of the last record; zero if there are none
	Messages  []Envelope
	Answers   []Answer
	Proposals []partition.Change // to the coordinators; lost ones are proposed again
	Snapshots []SnapshotOrder
	Findings  []Finding // Corrupt is to be acted on, the others to be counted and logged
}

func (c *Config) setDefaults() {
	if c.Timings == (Timings{}) {
		c.Timings = DefaultTimings()
	}
	if c.Timings.HashCheck == 0 {
		c.Timings.HashCheck = DefaultTimings().HashCheck
	}
	if c.MaxAppendBytes == 0 {
		c.MaxAppendBytes = 1 << 20
	}
	if c.MaxUnackedBytes == 0 {
		c.MaxUnackedBytes = 8 << 20
	}
	if c.ExpiryBatch == 0 {
		c.ExpiryBatch = 16
	}
	if c.LogRetention == 0 {
		c.LogRetention = 64 << 20
	}
	c.AwayRetention = max(c.AwayRetention, c.LogRetention)
	if c.Drop == nil {
		c.Drop = func(partition.ID) {}
	}
	if c.Publish == nil {
		c.Publish = func(partition.ID, *View) {}
	}
}
