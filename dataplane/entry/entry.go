// Package entry holds the values of a partition's log: entries, their effects,
// request IDs and positions, with their encoding for the disk and the wire. It
// is used by replica, storage and the wire format, and does no I/O.
package entry

import "github.com/holdfast-io/holdfast/partition"

// Position names a log entry: no two entries of a partition that differ have
// the same sequence and epoch, and where two logs agree on a position they
// agree on everything before it.
type Position struct {
	Sequence uint64
	Epoch    partition.Epoch
}

// Less orders logs by how new their ends are: epoch first, then sequence.
func (p Position) Less(q Position) bool {
	return p.Epoch < q.Epoch || p.Epoch == q.Epoch && p.Sequence < q.Sequence
}

// Kind says what an entry does to the partition's state.
type Kind uint8

const (
	// Marker begins an epoch with a new primary; it has no effect.
	Marker Kind = iota + 1
	// Put sets a key to a value.
	Put
	// Delete removes a key; logged also where the key did not exist only if
	// the request must be remembered.
	Delete
)

// RequestID names a client request for good: the start of the node that received
// it, and a counter of that start (RIFL, Lee et al. 2015). The start's number is
// part of it, for a copy of a data directory repeats incarnations. The zero value
// is "none".
type RequestID struct {
	Origin  partition.StoreID // the receiving node's store
	Boot    uint64            // its incarnation
	Start   partition.StartID // the number of that start
	Counter uint64            // from 1
}

// IsZero reports whether there is no request ID.
func (id RequestID) IsZero() bool { return id == RequestID{} }

// Entry is one record of a partition's log: an effect, never a command (rule
// W1). Entries are immutable: key and value are never written to again.
type Entry struct {
	Position
	Kind    Kind
	Existed bool // whether the key had a value before (part of the remembered result)
	Request RequestID
	// LowestOpen is the lowest counter of Request's origin and boot that is
	// still open: the results of all below it are forgotten (rule Q3).
	LowestOpen uint64
	// Logged is the partition's logged time when the entry was made (rule Q5).
	Logged LoggedTime
	// Expires, of a Put, is the logged time from which the value is gone for the
	// primary; zero is never.
	Expires LoggedTime
	// Idempotency, if not nil, makes the entry's result be remembered for the
	// client's key too (rule Q2).
	Idempotency *Idempotency
	Key         []byte
	Value       []byte
}

// LoggedTime is time as a partition's log counts it, in milliseconds since the
// partition began: it grows by what the primary's steady clock measured, goes on
// with the next primary, and stands still while no copy is alive (rule Q5).
type LoggedTime uint64

// Remember is how long, in logged time, a client's Idempotency-Key is kept
// (rule Q2): 10 minutes.
const Remember LoggedTime = 10 * 60 * 1000

// IdempotencyID names a client's request: a hash of who asks, the key, and the
// Idempotency-Key.
type IdempotencyID [16]byte

// Fingerprint is a hash of everything that two requests must have in common to
// be the same: method, key, body, conditions and ttl.
type Fingerprint [16]byte

// Idempotency is what a client's Idempotency-Key adds to a write (rule Q2).
type Idempotency struct {
	ID          IdempotencyID
	Fingerprint Fingerprint
}

// Remembered is what an applied request with an Idempotency-Key left behind.
type Remembered struct {
	Fingerprint Fingerprint
	Logged      LoggedTime
	Result      Result
}

// Size is what the entry takes in memory and in messages, in bytes, roughly.
func (e *Entry) Size() int { return 120 + len(e.Key) + len(e.Value) }

// Version is what a partition's state knows of a key without its value.
type Version struct {
	Sequence uint64     // of the entry that set it: the second half of an ETag
	Expires  LoggedTime // zero: never
}

// Result is what an applied request answered (rule Q1).
type Result struct {
	Sequence uint64 // of the entry that the request became
	Existed  bool   // whether the key had a value before
}

// Record is one item for a node's shared log, in a group commit with others.
// Exactly one of its parts is set.
type Record struct {
	Partition partition.ID
	Lineage   uint32
	// Entry replaces everything the partition's log has from its sequence on.
	Entry *Entry
	// Adopted, if not zero, is the highest epoch that the copy has adopted, and
	// Configuration what the map said of the partition in it.
	Adopted       partition.Epoch
	Configuration *partition.Configuration
}

// ETag names one value of one key for ever: the partition's lineage and the
// sequence of the entry that set it. Its text is `"<lineage>-<sequence>"`, with
// the lineage as 8 hexadecimal digits.
type ETag struct {
	Lineage  uint32
	Sequence uint64
}
