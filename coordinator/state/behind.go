package state

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// Behind is what the coordinators know once their map is known to be old: they were
// restored from a backup. A mark on a directory says so (NoteRestored), or a node or a
// follower has seen a later map. The map is then frozen as a whole, for every part may be
// out of date. Nodes report what they have adopted, until RecoverMap goes on
// from that. The zero value: the map is not behind.
type Behind struct {
	Since   uint64   `json:"since"`   // index of the command that showed it
	Changed uint64   `json:"changed"` // index of the command that changed this last
	Version uint64   `json:"version"` // the highest map version that anybody is known to have seen
	Reports []Report `json:"reports"` // one of each node that has reported since, sorted by node
}

// Report is what a node's process says of itself and of its disk while the map
// is behind.
type Report struct {
	Node      partition.Node `json:"node"`
	Copies    []Copy         `json:"copies"`
	Stateless bool           `json:"stateless"` // as Register says
	// Moved: an earlier start of the same store ran elsewhere, as far as the map or
	// an earlier report says, and may run there still. Vouched: the operator has
	// said that it does not, and that this directory is no copy.
	Moved   bool `json:"moved"`
	Vouched bool `json:"vouched"`
}

// Behind returns what is known of a map that is behind: an immutable value.
func (m *Machine) Behind() Behind { return m.memory.behind }

// mayWhileBehind reports whether a command is carried out while the map is
// behind. Everything that changes the map would be decided on what is out of
// date.
func mayWhileBehind(c Command) bool {
	switch c.(type) {
	case Create, Register, NoteBehind, NoteRestored, RecoverMap, Seat, AcceptStart:
		return true
	}
	return false
}

// noteBehind freezes the map where somebody has one that is none of this history.
func (t *txn) noteBehind(seen partition.Stamp) {
	version := seen.Version
	if t.memory.lineage.descent(seen) == Known {
		return
	}
	b := &t.memory.behind
	t.freeze()
	if version > b.Version {
		b.Version, b.Changed = version, t.index
	}
}

// noteRestored freezes the map of coordinators that were restored. What nodes have
// reported before, they said in the time of the backup.
func (t *txn) noteRestored(c NoteRestored) {
	if t.memory.restored.After(c.Last) {
		return
	}
	t.memory.restored = LogPosition{Term: c.Term, Index: t.index}
	seen := t.memory.behind.Version
	t.memory.behind = Behind{}
	t.freeze()
	t.memory.behind.Version = seen
}

// freeze begins the time in which the map is behind.
func (t *txn) freeze() {
	if t.memory.behind.Since != 0 {
		return
	}
	t.memory.behind = Behind{Since: t.index, Changed: t.index}
	t.memory.note(Event{Index: t.index, Kind: "map behind", Reason: "the coordinators were restored from an old backup"})
}

// showsBehind reports whether a registration proves that the map is behind: its
// process has seen a map that is none of this history, or its disk has adopted what
// the map never said.
func (t *txn) showsBehind(c *Register) bool {
	return t.memory.lineage.descent(c.Map) != Known || slices.ContainsFunc(c.Copies, t.ahead)
}

// ahead reports whether a copy has adopted what this map never said: a higher
// epoch, or another configuration of one that the map had.
func (t *txn) ahead(have Copy) bool {
	if uint64(have.Partition) >= uint64(t.old.Settings.Partitions) {
		return false
	}
	cur, placed := t.old.Partition(have.Partition)
	switch {
	case !placed:
		return have.Epoch > 0
	case have.Epoch == cur.Epoch:
		return have.Configuration != nil && !have.Configuration.Equal(cur)
	}
	return have.Epoch > cur.Epoch || t.memory.neverGave(&have)
}

// registerBehind takes down what a node says while the map is behind. The node
// waits for RecoverMap. Judged is what its start looks like to the map.
func (t *txn) registerBehind(n partition.Node, c *Register, judged error) Result {
	wrap := func(err error) error { return fmt.Errorf("register node %q: %w", n.ID, err) }
	disputed := errors.Is(judged, ErrTwoHistories)
	if judged != nil && !disputed && !errors.Is(judged, ErrMapBehind) {
		return Result{Err: wrap(judged)}
	}
	r := Result{Err: wrap(ErrMapBehind)}
	chosen := disputed && t.chosenAbove(c)
	if judged != nil && !chosen {
		r = Result{Err: wrap(judged), Above: t.unsettled(c, disputed, false)}
	}
	if disputed && !chosen {
		if t.showsBehind(c) {
			t.freeze()
		}
		return r
	}
	n.Weight = c.Node.Weight
	if err := t.report(n, c, chosen); err != nil {
		if known, ok := t.old.Node(n.ID); ok && known.Store == n.Store && known.Start() == n.Start() {
			err = fmt.Errorf("%w; meanwhile: %w", ErrMapBehind, err) // it may be the right one: it is not refused for good
		}
		return Result{Err: wrap(err)}
	}
	return r
}

// mayReport decides whether a process may report that is the first of its node to
// do so: one without a history does not take the place of the one that the map
// names, as else. One that the lost history had accepted is let in.
func (t *txn) mayReport(n *partition.Node, c *Register) error {
	known, ok := t.old.Node(n.ID)
	if !ok || known.Store == n.Store || n.SameAddress(known) || !c.Accepted.IsZero() || t.memory.lineage.descent(c.Map) != Known {
		return nil
	}
	return fmt.Errorf("%w: store %v at %s, not %v at %s: start it at its known address, which shows that the other process is gone, or give it another node ID",
		ErrElsewhere, known.Store, known.PeerAddr, n.Store, n.PeerAddr)
}

// report takes a report down. Chosen: the operator has chosen its directory, of two
// histories.
func (t *txn) report(n partition.Node, c *Register, chosen bool) error {
	t.freeze()
	b := &t.memory.behind
	b.Version = max(b.Version, c.Map.Version)
	r := Report{Node: n, Copies: c.Copies, Stateless: c.Stateless}
	i, known := b.find(n.ID)
	if !known {
		if err := t.mayReport(&n, c); err != nil {
			return err
		}
	} else {
		was := &b.Reports[i]
		switch {
		case was.Node.Store == n.Store && n.Incarnation < was.Node.Incarnation:
			return fmt.Errorf("%w: %v, this one is %v", ErrOldStart, was.Node.Start(), n.Start())
		case was.Node.Store == n.Store && n.Incarnation == was.Node.Incarnation && n.Start() != was.Node.Start():
			return fmt.Errorf("%w: %v and %v have reported: stop one of them", ErrTwoHistories, was.Node.Start(), n.Start())
		case was.Node.Store != n.Store && !n.SameAddress(&was.Node):
			return fmt.Errorf("%w: store %v at %s, not %v at %s: stop one of them",
				ErrElsewhere, was.Node.Store, was.Node.PeerAddr, n.Store, n.PeerAddr)
		case was.Node.Store == n.Store && !n.SameAddress(&was.Node) && c.Silent != was.Node.Start():
			return fmt.Errorf("%w: start %v at %s", ErrMayRun, was.Node.Start(), was.Node.PeerAddr)
		}
	}
	if chosen {
		r.Moved, r.Vouched = true, true
	} else {
		t.judgeMoved(&r, c)
	}
	if known && bytes.Equal(b.Reports[i].encode(), r.encode()) {
		return nil
	}
	b.Changed = t.index
	b.Reports = slices.Clone(b.Reports)
	if known {
		b.Reports[i] = r
	} else {
		b.Reports = slices.Insert(b.Reports, i, r)
	}
	return nil
}

// earlier returns the latest start of a node that has reported; before that, the
// one that the map names.
func (t *txn) earlier(id partition.NodeID) (*partition.Node, bool) {
	if r, reported := t.memory.behind.reported(id); reported {
		return &r.Node, true
	}
	return t.old.Node(id)
}

// judgeMoved says of a report whether an earlier start may run elsewhere.
func (t *txn) judgeMoved(r *Report, c *Register) {
	n := &r.Node
	if was, reported := t.memory.behind.reported(n.ID); reported && was.Node.Store == n.Store {
		r.Moved, r.Vouched = was.Moved, was.Vouched
	}
	was, known := t.earlier(n.ID)
	if !known || was.Store != n.Store || was.Start() == n.Start() || n.SameAddress(was) && c.Silent != was.Start() {
		return
	}
	r.Moved, r.Vouched = true, false
	t.unsettled(c, false, true)
	r.Vouched = t.vouchedFor(c)
}

// vouch takes the operator's word for a start while the map is behind: nothing
// changes in the map before it is recovered.
func (t *txn) vouch(u *UnsettledStart) {
	b := &t.memory.behind
	b.Changed = t.index
	b.Reports = slices.Clone(b.Reports)
	for i := range b.Reports {
		if r := &b.Reports[i]; r.Node.ID == u.Node && r.Node.Store == u.Store && r.Node.Start() == u.Start && r.Moved {
			r.Vouched = true
		}
	}
}

// find returns the place of a node's report in the list, or where it belongs.
func (b *Behind) find(id partition.NodeID) (int, bool) {
	return slices.BinarySearchFunc(b.Reports, id, func(r Report, id partition.NodeID) int { return cmp.Compare(r.Node.ID, id) })
}

// reported returns a node's report.
func (b *Behind) reported(id partition.NodeID) (*Report, bool) {
	i, found := b.find(id)
	if !found {
		return nil, false
	}
	return &b.Reports[i], true
}

// Running returns the map with the newcomer's node as it has reported: against that
// start another one is judged. It is the map itself where the node has not reported,
// and for the start that the map names.
func (b *Behind) Running(m *partition.Map, newcomer *partition.Node) *partition.Map {
	r, reported := b.reported(newcomer.ID)
	known, ok := m.Node(newcomer.ID)
	if !reported || ok && known.Store == newcomer.Store && known.Start() == newcomer.Start() {
		return m
	}
	t := &txn{old: m}
	t.setNode(r.Node)
	next := *m
	next.Nodes = t.nodes
	return &next
}

// copy returns what the node reported of a partition.
func (r *Report) copy(id partition.ID) (*Copy, bool) {
	i := slices.IndexFunc(r.Copies, func(c Copy) bool { return c.Partition == id })
	if i < 0 {
		return nil, false
	}
	return &r.Copies[i], true
}

func (r *Report) encode() []byte {
	w := &writer{}
	w.report(*r)
	return w.b
}

func (w *writer) report(r Report) {
	w.node(r.Node)
	w.bool(r.Stateless)
	w.bool(r.Moved)
	w.bool(r.Vouched)
	writeList(w, r.Copies, w.held)
}

func (r *reader) report() Report {
	return Report{Node: r.node(), Stateless: r.bool(), Moved: r.bool(), Vouched: r.bool(), Copies: readList(r, 4, r.held)}
}

func (w *writer) behind(b Behind) {
	w.uint(b.Since)
	w.uint(b.Changed)
	w.uint(b.Version)
	writeList(w, b.Reports, w.report)
}

func (r *reader) behind() Behind {
	return Behind{Since: r.uint(), Changed: r.uint(), Version: r.uint(), Reports: readList(r, 20, r.report)}
}
