package protocol

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// kind is the first byte of every message, request and reply.
type kind byte

const (
	kindHeartbeat kind = iota + 1
	kindFollow
	kindSnapshot
	kindDelta
	kindBeat
	kindRegister
	kindPropose
	kindRecover
	kindForwarded
	kindAsk
	kindReply
	kindAnswer
	kindOrder
	kindTimed
	kindRecoverMap
	kindHints
	kindNoteRestored
)

// Heartbeat is sent by a node to every coordinator.
type Heartbeat struct{ Report Report }

// Follow asks for the map from Have on, the map that the sender has: deltas where
// it is still known, else a snapshot. Sent again, it moves the stream. Whole asks
// for a snapshot in any case; Stop ends the stream.
type Follow struct {
	Have      partition.Stamp
	Whole     bool
	Stop      bool
	ClusterID string // of Have: the hello may be older
}

// Snapshot is a whole map.
type Snapshot struct{ Map *partition.Map }

// Delta is a change of the map.
type Delta struct{ Delta partition.Delta }

// Beat is sent to followers between changes, as a sign of life.
type Beat struct {
	Version   uint64 // of the sender's map
	Leader    string // ID of the leading coordinator, "" if the sender knows of none
	Members   []Member
	Suspected []partition.NodeID
	// Behind, if not zero, says that the coordinators went back to an old map.
	// Every node then registers again, once for each value, to report what it has
	// adopted.
	Behind uint64
}

// Member is one coordinator.
type Member struct {
	ID       string
	PeerAddr string
	HTTPAddr string // "" where the sender has not heard of it
}

// Register asks the leader, through any coordinator, to take the node into the
// map with this boot.
type Register struct {
	Node        partition.Node
	ClusterID   string // that its disk belongs to, "" for a new one
	Application string
	Copies      []Copy
	// Accepted is the start of the store that the coordinators accepted last, as
	// its directory knows; zero: none. Since are the starts that followed it, but
	// for this one, oldest first.
	Accepted partition.Start
	Since    []partition.Start
	// AcceptedIn is the version of a map that named Accepted; zero: not known.
	AcceptedIn uint64
	// Superseded is the version of a map that gave the place of this start, which
	// was accepted before, to another; zero: none did. Then it is a question, not
	// a claim: while the map still has the other start, the answer is Refused.
	Superseded uint64
	Stateless  bool            // the program reports no copies, and keeps none from one start to the next
	Map        partition.Stamp // of the newest map that this process has seen
}

// Propose asks for changes. They are judged one by one.
type Propose struct{ Changes []partition.Change }

// Recover is an operator's order for a partition without a primary.
type Recover struct {
	Partition partition.ID
	Node      partition.NodeID // "" lets the coordinators choose
	Unsafe    bool             // acknowledged writes may be lost
	Confirm   bool             // of an unsafe order: do it, not only say what it may lose
	// Epoch is the partition's when the operator judged it; 0: whichever the
	// leader sees.
	Epoch partition.Epoch
	// Operation is the ID that makes the order safe to repeat.
	Operation string
}

// RecoverMap is an operator's order for coordinators that went back to an old
// map: go on from what the nodes have reported.
type RecoverMap struct {
	// Judged names the reports that the operator has seen, as a preview says it;
	// 0: whatever there is.
	Judged  uint64
	Lost    []partition.NodeID // their disks are given up
	Confirm bool               // do it, not only say what it would do
	// Operation is the ID that makes the order safe to repeat.
	Operation string
}

// NoteRestored tells the leader that a member's directory was put back from a backup
// whose last entry has this term and index in Raft's log.
type NoteRestored struct{ Term, Index uint64 }

// Forwarded is a request that another coordinator could not answer itself. It
// is never forwarded again.
type Forwarded struct {
	Timeout time.Duration // as in Timed
	Request []byte
}

// Timed is a request whose sender waits for the answer no longer than Timeout,
// counted from its arrival. No wait for it lasts longer.
type Timed struct {
	Timeout time.Duration
	Request []byte
}

// Ask is what a coordinator that has never run asks the others.
type Ask struct {
	Self      Seen
	Strangers []Stranger
}

// Stranger is a node, or a follower without a name, that dialed a coordinator and
// belongs to another cluster than that one.
type Stranger struct {
	Node      string
	ClusterID string
}

// Seen is a coordinator with the identity of its data directory.
type Seen struct {
	ID    string
	Store partition.StoreID
}

// Answer tells the asker what the other knows.
type Answer struct {
	Self Seen
	// Group is who makes the group, as the answerer has written it down; empty
	// while it has not.
	Group     []Seen
	ClusterID string // "" while the cluster is not created, as far as it knows
	// Token is that of the group on Raft's connections; 0 while there is none.
	Token uint64
	// Vacant: the asker's place is vacant, and may be given to its directory.
	// Seated: it has been given to it; Raft's state comes from the others.
	Vacant, Seated bool
	Strangers      []Stranger
}

// Code sorts replies by what the asker is to do. DESIGN.md has a table of what a
// program does with the code that its registration was answered with.
type Code uint8

const (
	// OK: done; Version is the map's after it.
	OK Code = iota + 1
	// Retry: not now, for want of a leader or of time. This request was not
	// applied, and never will be.
	Retry
	// Refused for good, with the reason: the same request never succeeds.
	Refused
	// Invalid: the request makes no sense here.
	Invalid
	// Removed: the node was taken out of the cluster for good, with its disk.
	Removed
	// Unknown: the request may have been applied, or may yet be. The same again
	// tells.
	Unknown
	// Reused: the operation ID belongs to another request.
	Reused
	// Wait: not before an operator, or another node, has ended the condition
	// that the text names. The asker asks again every few seconds.
	Wait
)

// Reply ends every request but Ask.
type Reply struct {
	Code    Code
	Text    string // for people, where it is not OK
	Version uint64
	// Above, of a refused registration, is a counter that the node's next start
	// must exceed.
	Above uint64
	Body  []byte // JSON for the operator
}

func (m Heartbeat) encode(e *encoder) { encodeReport(e, &m.Report) }
func (m Follow) encode(e *encoder) {
	encodeStamp(e, m.Have)
	e.bool(m.Whole)
	e.bool(m.Stop)
	e.string(m.ClusterID)
}

func (m Snapshot) encode(e *encoder) { encodeMap(e, m.Map) }
func (m Delta) encode(e *encoder)    { encodeDelta(e, &m.Delta) }

func (m Beat) encode(e *encoder) {
	e.uint(m.Version)
	e.string(m.Leader)
	encodeList(e, m.Members, func(e *encoder, v *Member) { e.string(v.ID); e.string(v.PeerAddr); e.string(v.HTTPAddr) })
	encodeList(e, m.Suspected, func(e *encoder, id *partition.NodeID) { e.node(*id) })
	e.uint(m.Behind)
}

func (m Register) encode(e *encoder) {
	encodeNode(e, &m.Node)
	e.string(m.ClusterID)
	e.string(m.Application)
	encodeList(e, m.Copies, encodeCopy)
	encodeStart(e, m.Accepted)
	encodeList(e, m.Since, func(e *encoder, s *partition.Start) { encodeStart(e, *s) })
	e.uint(m.AcceptedIn)
	e.uint(m.Superseded)
	e.bool(m.Stateless)
	encodeStamp(e, m.Map)
}

func (m Propose) encode(e *encoder) { encodeList(e, m.Changes, encodeChange) }

func (m Recover) encode(e *encoder) {
	e.uint(uint64(m.Partition))
	e.node(m.Node)
	e.bool(m.Unsafe)
	e.bool(m.Confirm)
	e.uint(uint64(m.Epoch))
	e.string(m.Operation)
}

func (m RecoverMap) encode(e *encoder) {
	e.uint(m.Judged)
	encodeList(e, m.Lost, func(e *encoder, id *partition.NodeID) { e.node(*id) })
	e.bool(m.Confirm)
	e.string(m.Operation)
}

func (m NoteRestored) encode(e *encoder) {
	e.uint(m.Term)
	e.uint(m.Index)
}

func (m Forwarded) encode(e *encoder) { Timed(m).encode(e) }

func (m Timed) encode(e *encoder) {
	e.int(int64(m.Timeout))
	e.b = append(e.b, m.Request...)
}

func (m Ask) encode(e *encoder) {
	encodeSeen(e, &m.Self)
	encodeList(e, m.Strangers, encodeStranger)
}

func (m Answer) encode(e *encoder) {
	encodeSeen(e, &m.Self)
	encodeList(e, m.Group, encodeSeen)
	e.string(m.ClusterID)
	e.fixed(m.Token)
	e.bool(m.Vacant)
	e.bool(m.Seated)
	encodeList(e, m.Strangers, encodeStranger)
}

func (m Reply) encode(e *encoder) {
	e.byte(byte(m.Code))
	e.string(m.Text)
	e.uint(m.Version)
	e.uint(m.Above)
	e.b = append(e.b, m.Body...)
}

func encodeSeen(e *encoder, s *Seen) { e.string(s.ID); e.store(s.Store) }
func decodeSeen(d *decoder) Seen     { return Seen{ID: d.string(), Store: d.store()} }

func encodeStranger(e *encoder, s *Stranger) { e.string(s.Node); e.string(s.ClusterID) }
func decodeStranger(d *decoder) Stranger     { return Stranger{Node: d.string(), ClusterID: d.string()} }

// Message is one of the types above, by value.
type Message interface{ encode(e *encoder) }

// Encode returns a message's bytes.
func Encode(m Message) []byte {
	var e encoder
	e.byte(byte(kindOf(m)))
	m.encode(&e)
	return e.b
}

func kindOf(m Message) kind {
	switch m.(type) {
	case Heartbeat:
		return kindHeartbeat
	case Follow:
		return kindFollow
	case Snapshot:
		return kindSnapshot
	case Delta:
		return kindDelta
	case Beat:
		return kindBeat
	case Register:
		return kindRegister
	case Propose:
		return kindPropose
	case Recover:
		return kindRecover
	case Forwarded:
		return kindForwarded
	case Ask:
		return kindAsk
	case Answer:
		return kindAnswer
	case Reply:
		return kindReply
	case Order:
		return kindOrder
	case Timed:
		return kindTimed
	case RecoverMap:
		return kindRecoverMap
	case Hints:
		return kindHints
	case NoteRestored:
		return kindNoteRestored
	}
	panic(fmt.Sprintf("protocol: %T is no message", m))
}
