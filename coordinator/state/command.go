package state

import "github.com/holdfast-io/holdfast/partition"

// Command is one entry of the coordinators' Raft log. The types of this file
// are all there are.
type Command interface{ kind() kind }

// kind numbers the commands in their encoding; numbers are never used again.
type kind uint8

const (
	kindCreate kind = iota + 1
	kindRegister
	kindPlace
	kindChanges
	kindFail
	kindRecover
	kindUnsafeRecover
	kindConfirm
	kindAssign
	kindRemove
	kindBegin
	kindEnd
	kindRebalance
	kindSeat
	kindWeigh
	kindAcceptStart
	kindAdmin
	kindNoteBehind
	kindRecoverMap
	kindNoteRestored
)

// Create makes the cluster. The same again is a no-op; anything else, once
// there is a cluster, is refused with ErrExists.
type Create struct {
	ClusterID   string
	Application string
	Settings    partition.Settings
}

// Register says that a node's process has started, with its log open, synced
// and replayed. It raises the epoch of every partition that lists the node, so
// that nothing from an earlier boot counts.
type Register struct {
	Node partition.Node // a Weight of 0 is 1
	// Copies are the copies on the node's disk, all of them.
	Copies []Copy
	// Stateless: the program reports no copies, and keeps none from one start to
	// the next.
	Stateless bool
	// Map is the stamp of the newest map that this process has seen.
	Map partition.Stamp
	// Live are the nodes that the proposing leader knows to be alive: they may
	// become primary of what the node was primary of. The node itself does not
	// count.
	Live []partition.NodeID
	// Accepted is the last start of the store that the directory knows to be
	// accepted, zero for none; Since are those after it and before this one.
	Accepted partition.Start
	Since    []partition.Start
	// AcceptedIn is the version of a map that named Accepted; zero: not known.
	AcceptedIn uint64
	// Silent is the start in the map that the proposing leader found silent
	// although it runs at another address; zero: none. Without it, a start at
	// another address waits.
	Silent partition.Start
}

// AcceptStart chooses a directory whose start the coordinators could not judge:
// the operator says that it is the right one. It counts only while Start is the last that
// asked from a directory of that store, and Accepted what its directory names as the last
// one accepted.
type AcceptStart struct {
	Node     partition.NodeID
	Store    partition.StoreID
	Start    partition.Start
	Accepted partition.Start
}

// Copy is a copy of a partition that a node found on its disk. One that is
// damaged is reported with lineage and epoch zero: it was there, so the node is
// not rightly without it.
type Copy struct {
	Partition partition.ID
	Epoch     partition.Epoch // the highest it has adopted
	Lineage   uint32
	// Configuration is that of Epoch, as the node adopted it; nil where the copy
	// is damaged, or its program keeps none.
	Configuration *partition.Configuration
}

// Place is the first placement: all partitions, as partition.Place made them.
type Place struct {
	Configurations []partition.Configuration
}

// Changes are changes of different partitions, each judged on its own.
type Changes struct {
	Changes []partition.Change
}

// Fail is what one node's failure changes, in one entry. It counts only while
// the map still has that boot of the node; its changes are judged as in Changes.
type Fail struct {
	Node        partition.NodeID
	Incarnation uint64
	Changes     []partition.Change
}

// Recover makes an eligible replica the only one in sync, and primary. Nothing
// is lost: the operator vouches that the old primary's process is gone.
type Recover struct {
	Partition partition.ID
	Node      partition.NodeID
	// Epoch is the partition's when the operator judged it. In any other epoch
	// the command is refused: the old primary may have returned.
	Epoch partition.Epoch
}

// UnsafeRecover makes whatever copy is on the node the only one in sync, and
// primary, under a new lineage. All other copies start again from it.
type UnsafeRecover struct {
	Partition partition.ID
	Node      partition.NodeID
	Lineage   uint32 // random, not zero, not the one that the partition has
	// Epoch is the partition's when the operator judged it, as in Recover.
	Epoch partition.Epoch
}

// Confirm says that nodes have had their copies of the first placement on disk
// for a while: from then on a copy that is missing at a start is a lost one.
type Confirm struct {
	Nodes []partition.Replica
}

// Assign gives a node another duty, and leaves its weight alone. A duty other
// than full needs enough other nodes of full duty.
type Assign struct {
	Node partition.NodeID
	// Store and Incarnation name the start that was judged, and Was its duty then. If
	// both are zero, the command is about whichever start and duty the map has.
	Store       partition.StoreID
	Incarnation uint64
	Was         partition.Duty
	Duty        partition.Duty
}

// Weigh gives a node another weight, and leaves its duty alone.
type Weigh struct {
	Node   partition.NodeID
	Weight uint32 // 1 or more
}

// Remove takes a node out of the cluster for good. What it has must be elsewhere
// by then; with Lost, its disk is given up: the operator vouches that its
// process is stopped for good. Its store never counts again.
type Remove struct {
	Node partition.NodeID
	// Store, Incarnation and Duty are the node's when the removal was judged. If
	// one of them has changed since, the command is refused: the node was started
	// again, or is to stay.
	Store       partition.StoreID
	Incarnation uint64
	Duty        partition.Duty
	Lost        bool
	// Live are the nodes that may become primary of what the node was primary of.
	Live []partition.NodeID
}

// Begin begins moves, each judged on its own: a replica that is to come becomes
// a learner. Their Since is of no account.
type Begin struct {
	// Version is that of the map that the moves were planned from. If the nodes,
	// their duties or the rebalancing settings have changed since, the command is
	// refused: no move begins after a pause, or for a drain that was taken back.
	Version uint64
	Moves   []partition.Move
}

// End ends moves, each judged on its own. One that is done takes the replica that
// was to leave out of the map; one that is cancelled takes out the learner that
// was to come.
type End struct {
	Moves []EndMove
}

// EndMove names a move by its partition and the version that it began with.
type EndMove struct {
	Partition partition.ID
	Since     uint64
	Cancel    bool
	Reason    string // in words, for people
}

// SetRebalance changes some of the rebalancing settings, and leaves the others as
// they are when the command is applied.
type SetRebalance struct {
	Change partition.RebalanceChange
}

// Seat says which data directory a coordinator's place belongs to, once that is
// not the one that it was founded with: zero while it is vacant.
type Seat struct {
	Coordinator string
	Store       partition.StoreID
	// Since is the index of the command that gave the place away last, when this
	// one was judged; 0: the place belonged to the directory it was founded with.
	// If that has changed, the command is refused.
	Since uint64
}

// Admin is an operator's command. The machine applies the command of an ID once,
// and remembers the result; the same ID again gets that result.
type Admin struct {
	ID string // 1 to MaxOperationID printable ASCII characters
	// Fingerprint is a hash of what the operator asked for: another request with
	// the same ID is refused.
	Fingerprint uint64
	// Command is applied if the ID is new. It is nil where the leader refused the
	// request, or a step changes only what is remembered of the operation.
	Command Command
	Refused string // why the leader refused it
	Open    bool   // more steps follow this one
	Since   uint64 // of the first step, as in Seat
	// Node and Partition are what the answer is about; Note is part of it.
	Node      partition.NodeID
	Partition partition.ID
	Note      string
}

// NoteBehind names a map that a node or a follower has. If it is none of this
// history, the coordinators were restored from an old backup.
type NoteBehind struct{ Map partition.Stamp }

// NoteRestored says that a coordinator's directory was put back from a backup, of
// which Last is the last entry. It freezes the map, whether or not a later map is known.
// If a restoration was noted after that entry, it was this one, and nothing changes.
type NoteRestored struct {
	Last LogPosition
	Term uint64 // of this entry itself, as the log says; it is not encoded
}

// LogPosition names an entry of the coordinators' Raft log.
type LogPosition struct {
	Term  uint64 `json:"term"`
	Index uint64 `json:"index"`
}

// After reports whether an entry follows another. Every term of a restored group is
// above those of the backups, whichever of them its leader has: a leader of any of
// these terms had the votes of a majority, and one that is elected later needs one of
// those voters. So indices of different logs are not compared.
func (p LogPosition) After(q LogPosition) bool {
	return p.Term > q.Term || p.Term == q.Term && p.Index > q.Index
}

// RecoverMap ends the time in which the map is behind: each partition goes on
// from the highest configuration that was adopted, each node from what it
// reported.
type RecoverMap struct {
	// Judged is the Behind.Changed that the operator has seen. At any other the
	// command is refused with ErrStale.
	Judged uint64
	// Lost are nodes whose disks are given up. Their reports do not count.
	Lost []partition.NodeID
}

func (Create) kind() kind        { return kindCreate }
func (Register) kind() kind      { return kindRegister }
func (Place) kind() kind         { return kindPlace }
func (Changes) kind() kind       { return kindChanges }
func (Fail) kind() kind          { return kindFail }
func (Recover) kind() kind       { return kindRecover }
func (UnsafeRecover) kind() kind { return kindUnsafeRecover }
func (Confirm) kind() kind       { return kindConfirm }
func (Assign) kind() kind        { return kindAssign }
func (Remove) kind() kind        { return kindRemove }
func (Begin) kind() kind         { return kindBegin }
func (End) kind() kind           { return kindEnd }
func (SetRebalance) kind() kind  { return kindRebalance }
func (Seat) kind() kind          { return kindSeat }
func (Weigh) kind() kind         { return kindWeigh }
func (AcceptStart) kind() kind   { return kindAcceptStart }
func (Admin) kind() kind         { return kindAdmin }
func (NoteBehind) kind() kind    { return kindNoteBehind }
func (RecoverMap) kind() kind    { return kindRecoverMap }
func (NoteRestored) kind() kind  { return kindNoteRestored }
