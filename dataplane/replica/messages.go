package replica

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Peer is one start of a node: what a connection's hello vouches for.
type Peer struct {
	Node  partition.NodeID
	Store partition.StoreID
	Start partition.Start
}

// MessageKind says which fields of a Message are set.
type MessageKind uint8

const (
	// Probe asks a replica or learner for the end of its log (T1, K1).
	Probe MessageKind = iota + 1
	// ProbeReply answers with Last, First and Committed.
	ProbeReply
	// Fetch asks a replica for the entries after Previous (T1).
	Fetch
	// FetchReply carries them; Mismatch where Previous is not in the log.
	FetchReply
	// Append carries the entries after Previous, and Committed (W2, T2).
	Append
	// Ack says that everything up to Last is on disk and agrees (W2).
	Ack
	// Reject says that Previous is not in the log; Last is a hint where to
	// look for agreement (T2).
	Reject
	// Refuse answers a lower epoch with the newer configuration (W4).
	Refuse
	// Release voids the promise that the receiver gave to the sender, for a
	// take-over in Epoch (L4).
	Release
	// BeaconMessage and BeaconReply carry a Beacon or its answer (L1); they are
	// about many partitions, and travel on a connection of their own.
	BeaconMessage
	BeaconReply
	// HashCheck asks a replica for the rolling hash of its state at Last,
	// HashReply has it, and Expel says that it is not that of the others.
	HashCheck
	HashReply
	Expel
	lastKind = Expel
)

// Kinds is how many kinds of message there are, with zero, which is none.
const Kinds = int(lastKind) + 1

// Message is what replicas of different nodes say to each other. All messages
// but beacons are about one partition, in one epoch. A message may get lost,
// be late, or come twice.
type Message struct {
	Kind      MessageKind
	Partition partition.ID
	Epoch     partition.Epoch
	// Configuration is that of Epoch, until the receiver has answered in it
	// (W4); in a Refuse it is the refuser's newer one.
	Configuration *partition.Configuration
	Previous      entry.Position
	Last          entry.Position
	First         uint64 // ProbeReply: sequence of the first entry still in the log window
	Committed     uint64
	Mismatch      bool
	Hash          uint64 // HashReply
	Entries       []*entry.Entry

	Beacon *Beacon
	Reply  *Answering
}

// Beacon is one node's claim, to one other, on the partitions listed: "I am
// their primary; promise to take them over from nobody else before G".
type Beacon struct {
	ID    uint64        // grows with every beacon of this boot
	Lease time.Duration // L of the sender; the promise lasts G/L times that
	// Answers is the receiver's latest answer that had arrived: the ID of the
	// beacon it was to, zero for none. Grants count from when it was sent (L6).
	Answers uint64
	Claims  []Claim
}

// Claim is one partition in a beacon.
type Claim struct {
	Partition     partition.ID
	Epoch         partition.Epoch
	Configuration *partition.Configuration // as in Message
	Grant         time.Duration            // read grant to the receiver (L6); zero is none
}

// Answering is the answer to a beacon: what it does not list is promised.
type Answering struct {
	ID       uint64
	Refused  []Refusal
	Shortage Shortage // of the node that answers
	// Leaving: the node ends. It has given up every read grant, and takes no
	// more in this boot (L4, L6).
	Leaving bool
}

// Refusal names a partition that a beacon claimed and the answer does not
// promise, with the refuser's configuration where it is newer.
type Refusal struct {
	Partition     partition.ID
	Configuration *partition.Configuration
}

// Envelope is a message with its destination.
type Envelope struct {
	To      partition.NodeID
	Message Message
}
