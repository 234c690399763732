package state

import (
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// commandVersion is the first byte of every encoded command. It goes up when a
// command changes its meaning or its fields.
const commandVersion = 3

// ErrUnknown is returned for commands and snapshots of a version or kind that
// this program does not know: it must stop, for to skip one would make it
// differ from the others.
var ErrUnknown = errors.New("unknown version or kind")

// Encode returns the command's bytes for the Raft log. It refuses, with ErrInvalid,
// what Decode would: once it is in the log, every coordinator would stop at it.
func Encode(c Command) ([]byte, error) {
	b, err := encode(c)
	if err != nil {
		return nil, err
	}
	if _, err := Decode(b); err != nil {
		return nil, fmt.Errorf("encode %T: %w: it could not be read again: %w", c, ErrInvalid, err)
	}
	return b, nil
}

// encode is Encode without a look at whether the bytes can be read again.
func encode(c Command) ([]byte, error) {
	if c == nil {
		return nil, fmt.Errorf("encode command: %w: none given", ErrInvalid)
	}
	w := &writer{b: []byte{commandVersion, byte(c.kind())}}
	switch c := c.(type) {
	case Create:
		w.text(c.ClusterID)
		w.text(c.Application)
		w.settings(c.Settings)
	case Register:
		w.node(c.Node)
		writeList(w, c.Copies, w.held)
		w.bool(c.Stateless)
		w.stamp(c.Map)
		writeList(w, c.Live, func(id partition.NodeID) { w.text(string(id)) })
		w.start(c.Accepted)
		w.uint(c.AcceptedIn)
		writeList(w, c.Since, w.start)
		w.start(c.Silent)
	case Place:
		writeList(w, c.Configurations, w.configuration)
	case Changes:
		writeList(w, c.Changes, w.change)
	case Fail:
		w.text(string(c.Node))
		w.uint(c.Incarnation)
		writeList(w, c.Changes, w.change)
	case Recover:
		w.uint(uint64(c.Partition))
		w.text(string(c.Node))
		w.uint(uint64(c.Epoch))
	case UnsafeRecover:
		w.uint(uint64(c.Partition))
		w.text(string(c.Node))
		w.uint(uint64(c.Lineage))
		w.uint(uint64(c.Epoch))
	case Confirm:
		writeList(w, c.Nodes, w.replica)
	case Assign:
		w.text(string(c.Node))
		w.fixed(uint64(c.Store))
		w.uint(c.Incarnation)
		w.uint(uint64(c.Was))
		w.uint(uint64(c.Duty))
	case Weigh:
		w.text(string(c.Node))
		w.uint(uint64(c.Weight))
	case Remove:
		w.text(string(c.Node))
		w.fixed(uint64(c.Store))
		w.uint(c.Incarnation)
		w.uint(uint64(c.Duty))
		w.bool(c.Lost)
		writeList(w, c.Live, func(id partition.NodeID) { w.text(string(id)) })
	case Begin:
		w.uint(c.Version)
		writeList(w, c.Moves, w.move)
	case End:
		writeList(w, c.Moves, func(e EndMove) {
			w.uint(uint64(e.Partition))
			w.uint(e.Since)
			w.bool(e.Cancel)
			w.text(e.Reason)
		})
	case SetRebalance:
		w.rebalanceChange(c.Change)
	case NoteBehind:
		w.stamp(c.Map)
	case NoteRestored:
		w.position(c.Last)
	case RecoverMap:
		w.uint(c.Judged)
		writeList(w, c.Lost, func(id partition.NodeID) { w.text(string(id)) })
	case Seat:
		w.text(c.Coordinator)
		w.fixed(uint64(c.Store))
		w.uint(c.Since)
	case Admin:
		if err := w.admin(c); err != nil {
			return nil, err
		}
	case AcceptStart:
		w.replica(partition.Replica{Node: c.Node, Store: c.Store})
		w.start(c.Start)
		w.start(c.Accepted)
	default:
		return nil, fmt.Errorf("encode %T: %w", c, ErrUnknown)
	}
	return w.b, nil
}

// Decode reads a command from the Raft log. It keeps nothing of b.
func Decode(b []byte) (Command, error) {
	if len(b) < 2 {
		return nil, fmt.Errorf("decode command of %d bytes: %w", len(b), errTruncated)
	}
	if b[0] != commandVersion {
		return nil, fmt.Errorf("decode command: %w: it has version %d, this program knows %d; start the version of holdfast that wrote it", ErrUnknown, b[0], commandVersion)
	}
	r := newReader(b[2:])
	var c Command
	switch k := kind(b[1]); k {
	case kindCreate:
		c = Create{ClusterID: r.text(), Application: r.text(), Settings: r.settings()}
	case kindRegister:
		c = Register{
			Node: r.node(), Copies: readList(r, 4, r.held), Stateless: r.bool(), Map: r.stamp(), Live: readList(r, 1, r.nodeID),
			Accepted: r.start(), AcceptedIn: r.uint(), Since: readList(r, 9, r.start), Silent: r.start(),
		}
	case kindPlace:
		c = Place{Configurations: readList(r, 8, r.configuration)}
	case kindChanges:
		c = Changes{Changes: readList(r, 7, r.change)}
	case kindFail:
		c = Fail{Node: r.nodeID(), Incarnation: r.uint(), Changes: readList(r, 7, r.change)}
	case kindRecover:
		c = Recover{Partition: partition.ID(r.uint32()), Node: r.nodeID(), Epoch: partition.Epoch(r.uint())}
	case kindUnsafeRecover:
		c = UnsafeRecover{Partition: partition.ID(r.uint32()), Node: r.nodeID(), Lineage: r.uint32(), Epoch: partition.Epoch(r.uint())}
	case kindConfirm:
		c = Confirm{Nodes: r.replicas()}
	case kindAssign:
		c = Assign{Node: r.nodeID(), Store: partition.StoreID(r.fixed()), Incarnation: r.uint(), Was: r.duty(), Duty: r.duty()}
	case kindRemove:
		c = Remove{
			Node: r.nodeID(), Store: partition.StoreID(r.fixed()), Incarnation: r.uint(), Duty: r.duty(),
			Lost: r.bool(), Live: readList(r, 1, r.nodeID),
		}
	case kindBegin:
		c = Begin{Version: r.uint(), Moves: readList(r, 6, r.move)}
	case kindEnd:
		c = End{Moves: readList(r, 4, r.endMove)}
	case kindRebalance:
		c = SetRebalance{Change: r.rebalanceChange()}
	case kindSeat:
		c = Seat{Coordinator: r.text(), Store: partition.StoreID(r.fixed()), Since: r.uint()}
	case kindAdmin:
		c = r.admin()
	case kindNoteBehind:
		c = NoteBehind{Map: r.stamp()}
	case kindNoteRestored:
		c = NoteRestored{Last: r.position()}
	case kindRecoverMap:
		c = RecoverMap{Judged: r.uint(), Lost: readList(r, 1, r.nodeID)}
	case kindWeigh:
		c = Weigh{Node: r.nodeID(), Weight: r.uint32()}
	case kindAcceptStart:
		of := r.replica()
		c = AcceptStart{Node: of.Node, Store: of.Store, Start: r.start(), Accepted: r.start()}
	default:
		return nil, fmt.Errorf("decode command: %w: kind %d", ErrUnknown, k)
	}
	if err := r.end(); err != nil {
		return nil, fmt.Errorf("decode %T: %w", c, err)
	}
	return c, nil
}

func (w *writer) held(c Copy) {
	w.uint(uint64(c.Partition))
	w.uint(uint64(c.Epoch))
	w.uint(uint64(c.Lineage))
	w.bool(c.Configuration != nil)
	if c.Configuration != nil {
		w.configuration(*c.Configuration)
	}
}

func (r *reader) held() Copy {
	c := Copy{Partition: partition.ID(r.uint32()), Epoch: partition.Epoch(r.uint()), Lineage: r.uint32()}
	if r.bool() {
		adopted := r.configuration()
		c.Configuration = &adopted
	}
	return c
}

func (w *writer) position(p LogPosition) {
	w.uint(p.Term)
	w.uint(p.Index)
}

func (r *reader) position() LogPosition { return LogPosition{Term: r.uint(), Index: r.uint()} }

func (r *reader) endMove() EndMove {
	return EndMove{Partition: partition.ID(r.uint32()), Since: r.uint(), Cancel: r.bool(), Reason: r.text()}
}

// end returns the reader's error, or one where something is left over.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		return fmt.Errorf("%d bytes too many", len(r.b))
	}
	return r.err
}
