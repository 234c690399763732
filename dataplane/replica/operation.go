package replica

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Time is a reading of a node's own steady clock, in nanoseconds. It runs while
// the machine sleeps (CLOCK_BOOTTIME) and is never compared between nodes.
type Time int64

// Add returns the time d later.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns the time from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Action is what a client's request does to a key.
type Action uint8

const (
	// Get reads the value.
	Get Action = iota + 1
	// Put sets it.
	Put
	// Delete removes it.
	Delete
)

// Condition is what must hold of a key for a write. The zero value always does.
type Condition struct {
	IfMatch         []entry.ETag // the value is one of these
	IfMatchAny      bool         // If-Match: * (there is a value)
	IfNoneMatch     []entry.ETag // the value is none of these
	IfNoneMatchStar bool         // If-None-Match: * (there is no value)
}

// Operation is one attempt at a client's request, handed to the partition's
// primary. Key and Value are not written to after it is handed over.
type Operation struct {
	Action    Action
	Partition partition.ID
	// Epoch is the one the sender's map had. The operation is refused in any
	// other, before the log (Q4); a primary that is behind waits for it.
	Epoch      partition.Epoch
	Key, Value []byte
	Condition  Condition
	TTL        time.Duration   // of a Put, whole milliseconds; zero: for ever
	Request    entry.RequestID // writes only (Q3)
	// Idempotency is of a client's Idempotency-Key, or nil; writes only (Q2).
	Idempotency *entry.Idempotency
	LowestOpen  uint64 // lowest open counter of Request's origin and boot (Q3)
	Deadline    Time   // by the receiving node's clock: after it, an operation that is not logged is never applied
	Tag         any    // the driver's own; comes back in the Answer
}

// Outcome says what became of an Operation.
type Outcome uint8

const (
	// Done: a write is committed and applied here; Result tells how.
	Done Outcome = iota + 1
	// Found: a read's value and its version.
	Found
	// Absent: a read of a key that has no value.
	Absent
	// PreconditionFailed: the condition does not hold; nothing was logged.
	PreconditionFailed
	// NotPrimary: this replica is not the partition's primary in the
	// operation's epoch; Configuration is what it knows. Nothing was logged.
	NotPrimary
	// TimedOut: the deadline passed before the operation was logged; it never
	// will be by this attempt.
	TimedOut
	// Unknown: the write was logged, and this replica cannot tell its fate.
	Unknown
	// Forgotten: the request ID lies below its origin's lowest open counter.
	Forgotten
	// Failed: this replica cannot read its own storage; nothing was logged.
	Failed
	// Expired: the answer was held past its lease; it says nothing (see
	// Answer.Settle).
	Expired
	// Overloaded: too much waits in the memory of this node, or of another that
	// would have to log the write too. Nothing was logged. With an epoch, the
	// request ID was looked up first; without one, the replica never saw it.
	Overloaded
	// DiskFull: the disk of this node, or of another that would have to log the
	// write too, is nearly full. Nothing was logged.
	DiskFull
	// InProgress: another attempt with the same Idempotency-Key is logged and
	// not yet committed. Nothing was logged for this one (Q2).
	InProgress
	// KeyReused: the Idempotency-Key belongs to another request that was
	// applied. Nothing was logged for this one (Q2).
	KeyReused

	// LastOutcome is the last of all that there are.
	LastOutcome = KeyReused
)

// Answer ends an Operation. Every operation gets exactly one.
type Answer struct {
	Tag           any
	Outcome       Outcome
	Partition     partition.ID
	Epoch         partition.Epoch // in which it was answered
	Lineage       uint32
	Result        entry.Result // Done; Found and PreconditionFailed: Sequence of the current value, zero if there is none
	Value         []byte       // Found
	Configuration *partition.Configuration
	// Leased answers hold only if the clock, read after the value was, is
	// still before LeaseUntil (L3, W5).
	Leased     bool
	LeaseUntil Time
}

// Settle returns the answer as it may be given at now: itself, or Expired if
// the lease it rests on has run out. The driver calls it with the clock read
// after the step that made the answer; the operation may then be tried again.
func (a Answer) Settle(now Time) Answer {
	if a.Leased && now >= a.LeaseUntil {
		return Answer{Tag: a.Tag, Outcome: Expired, Partition: a.Partition, Epoch: a.Epoch}
	}
	return a
}

// View is what readers outside the executor may know of a replica: immutable,
// replaced as a whole.
type View struct {
	Epoch      partition.Epoch
	Lineage    uint32
	Serving    bool // primary, with its marker committed: applied values are the newest acknowledged
	Alone      bool // the only one in sync: needs no lease
	LeaseUntil Time
	// GrantUntil is when a secondary's read grant runs out (L6); zero: it has
	// none in this epoch. Under it only keys are read that are Clean.
	GrantUntil Time
	Unapplied  *Unapplied
}

// MayReadClean reports whether a secondary may give a value as a linearizable
// answer (R1). In this order: a view of the same epoch that had a grant, then
// Unapplied.Clean, then the value, then this view, then the clock as now.
func (v *View) MayReadClean(now Time) bool {
	return v != nil && now < v.GrantUntil
}

// MayRead reports whether a value that was read from the partition's state
// before this view was loaded, and before the clock was read as now, may be
// given as a linearizable answer (L3). The order matters: value, view, clock.
func (v *View) MayRead(now Time) bool {
	return v != nil && v.Serving && (v.Alone || now < v.LeaseUntil)
}
