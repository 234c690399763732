package gateway

import (
	"context"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// Sent says how an attempt ended.
type Sent uint8

const (
	// Certain: the attempt was answered; the answer counts.
	Certain Sent = iota + 1
	// NeverSent: the operation certainly did not leave this node.
	NeverSent
	// MaybeSent: no answer came, and the operation may have arrived.
	MaybeSent
)

// Backend is the data node behind the HTTP interface. All methods are safe for
// concurrent use and none but WaitMap blocks.
type Backend interface {
	// Self returns this node's ID.
	Self() partition.NodeID
	// Map returns the newest map, nil before the first one.
	Map() *partition.Map
	// Now reads the node's steady clock.
	Now() replica.Time
	// WaitMap returns when the map's version is above after, or ctx has ended.
	WaitMap(ctx context.Context, after uint64) error

	// Read answers a linearizable read from the copy on this node, where that
	// may be done at once; false sends it through Send.
	Read(op *replica.Operation) (replica.Answer, bool)
	// Stale answers a read from whatever copy is on this node, and tells
	// whether there is one.
	Stale(op *replica.Operation) (replica.Answer, bool)
	// Send hands the operation to a node's replica, to this node's own too. The
	// key of a read is the caller's again once done is called; a write's key and
	// value are given away. done is called exactly once, on any goroutine, also
	// before Send returns, and does not block. The answer counts only where sent
	// is Certain, and is settled.
	Send(to partition.NodeID, op replica.Operation, done func(a replica.Answer, sent Sent))

	// OpenRequest makes a request ID, open until CloseRequest, and tells the
	// lowest one of this boot that is still open (rule Q3).
	OpenRequest() (id entry.RequestID, lowestOpen uint64)
	// CloseRequest says that no attempt of the request will be made any more.
	CloseRequest(id entry.RequestID)

	// Fenced is nil, or the reason why this node serves no request any more.
	Fenced() error
	// Ready is nil, or the reason why this node should not get requests now.
	Ready() error
	// Coordinators returns the ID of the coordinators' leader, "" where it is
	// not known here, and what is known of each.
	Coordinators() (leader string, all []mapjson.Coordinator)
	// NodeState says in a word how a node of the map is, as far as this node
	// can tell: "live", "unreachable".
	NodeState(id partition.NodeID) string
}
