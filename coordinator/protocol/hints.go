package protocol

import (
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// NodeStart names one start of one node.
type NodeStart struct {
	Node  partition.NodeID
	Store partition.StoreID
	Start partition.Start
}

// StartOf is the start of a node that the map names.
func StartOf(n *partition.Node) NodeStart {
	return NodeStart{Node: n.ID, Store: n.Store, Start: n.Start()}
}

// NodeStart is the start of the node that sent the hello.
func (h Hello) NodeStart() NodeStart {
	return NodeStart{Node: partition.NodeID(h.Name), Store: h.Store, Start: h.Start}
}

// Hints are what a learner and its primary tell each other about copies. They
// go through any coordinator, which passes them on to the start that they are
// for, if it is connected there, and keeps nothing. So they may be lost, late or
// repeated; the learner repeats its own until the map shows the outcome.
type Hints struct {
	From, To NodeStart
	List     []Hint
}

// HintKind says what a hint tells.
type HintKind uint8

const (
	// CopyWanted: the sender is a learner and waits for its copy to be opened.
	// Sequence names the copy that it is making; 0 for none.
	CopyWanted HintKind = iota + 1
	// CopyOpened: the sender is the primary. What it writes from Sequence on goes
	// to the learner too, and no earlier write is open any more.
	CopyOpened
	// CopyReady: the sender is a learner and has the copy that Sequence names.
	CopyReady
)

// Hint is about the copy of one partition.
type Hint struct {
	Kind      HintKind
	Partition partition.ID
	Epoch     partition.Epoch // that the sender's map has
	Sequence  uint64          // names the copy
}

func (m Hints) encode(e *encoder) {
	encodeNodeStart(e, &m.From)
	encodeNodeStart(e, &m.To)
	encodeList(e, m.List, func(e *encoder, h *Hint) {
		e.byte(byte(h.Kind))
		e.uint(uint64(h.Partition))
		e.uint(uint64(h.Epoch))
		e.uint(h.Sequence)
	})
}

func decodeHints(d *decoder) Hints {
	return Hints{From: decodeNodeStart(d), To: decodeNodeStart(d), List: decodeList(d, 4, func(d *decoder) Hint {
		h := Hint{Kind: HintKind(d.byte()), Partition: partition.ID(d.uint32()), Epoch: partition.Epoch(d.uint()), Sequence: d.uint()}
		if d.err == nil && (h.Kind < CopyWanted || h.Kind > CopyReady) {
			d.fail(fmt.Sprintf("hint %d", h.Kind))
		}
		return h
	})}
}

func encodeNodeStart(e *encoder, s *NodeStart) {
	e.node(s.Node)
	e.store(s.Store)
	encodeStart(e, s.Start)
}

func decodeNodeStart(d *decoder) NodeStart {
	return NodeStart{Node: d.node(), Store: d.store(), Start: decodeStart(d)}
}
