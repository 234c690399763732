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

// RequestID names a client request for good: the boot of the node that received
// it, and a counter of that boot (RIFL, Lee et al. 2015). The zero value is "none".
type RequestID struct {
	Origin  partition.StoreID // the receiving node's store
	Boot    uint64            // its incarnation
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
	Key        []byte
	Value      []byte
}

// Size is what the entry takes in memory and in messages, in bytes, roughly.
func (e *Entry) Size() int { return 96 + len(e.Key) + len(e.Value) }

// Version is what a partition's state knows of a key without its value: the
// sequence of the entry that set it. It is the second half of an ETag.
type Version struct{ Sequence uint64 }

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
	// Adopted, if not zero, is the highest epoch that the copy has adopted.
	Adopted partition.Epoch
}

// ETag names one value of one key for ever: the partition's lineage and the
// sequence of the entry that set it. Its text is `"<lineage>-<sequence>"`, with
// the lineage as 8 hexadecimal digits.
type ETag struct {
	Lineage  uint32
	Sequence uint64
}
