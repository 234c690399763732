package state

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// UnsettledStart is a start that waits: its directory and the map disagree, or an
// earlier start may still run at another address. AcceptStart settles it in the
// directory's favour.
type UnsettledStart struct {
	Node     partition.NodeID  `json:"node"`
	Store    partition.StoreID `json:"store_id"`
	PeerAddr string            `json:"peer_addr"`
	Start    partition.Start   `json:"start"`    // the latest that asked
	Accepted partition.Start   `json:"accepted"` // the last one accepted, as the directory says
	// Highest is the highest counter that the map or any registration has named
	// for the store.
	Highest uint64 `json:"highest"`
	// Disputed: the map and the directory name different starts with one counter.
	// If neither Disputed nor Elsewhere is set, the map is behind the directory, and
	// RecoverMap settles it.
	Disputed bool `json:"disputed"`
	// Elsewhere: the start runs at another address than the one in the map, and
	// the node is the only one that has some partition in sync, or the map is
	// behind, so that this cannot be said before RecoverMap.
	Elsewhere bool `json:"elsewhere"`
	// Chosen: the operator has chosen this directory. Its next start, with a
	// counter above Highest, is accepted.
	Chosen bool `json:"chosen"`
}

func compareUnsettled(x, y UnsettledStart) int {
	return cmp.Or(cmp.Compare(x.Node, y.Node), cmp.Compare(x.Store, y.Store))
}

// maxUnsettled bounds the unsettled starts that are remembered; the first by
// node is dropped, and comes back when it asks again.
const maxUnsettled = 1024

// lastStart returns the last start of a store that the map, or the memory of
// replaced stores, has; zero where there is none.
func (t *txn) lastStart(node partition.NodeID, store partition.StoreID) (last partition.Start, replaced bool) {
	if known, ok := t.old.Node(node); ok && known.Store == store {
		return known.Start(), false
	}
	for _, r := range t.memory.retired {
		if r.node == node && r.store == store {
			return r.start, true
		}
	}
	return partition.Start{}, false
}

// storeOf returns the node's store, zero for a node that the map does not have.
func (t *txn) storeOf(node partition.NodeID) partition.StoreID {
	if known, ok := t.old.Node(node); ok {
		return known.Store
	}
	return 0
}

// judgeStart decides by the starts that a registration names whether its
// directory is the one that the map knows. A directory that went back to an
// earlier copy repeats counters, but cannot name the starts made since.
func (t *txn) judgeStart(c *Register) error {
	n := &c.Node
	last, replaced := t.lastStart(n.ID, n.Store)
	switch {
	case replaced && last == n.Start():
		return fmt.Errorf("%w: on store %v; that start's was replaced by it", ErrOldStart, t.storeOf(n.ID))
	case last.IsZero() && c.Accepted.IsZero(), last == n.Start():
		return nil
	case last.Incarnation < c.Accepted.Incarnation && c.AcceptedIn != 0 && c.AcceptedIn < t.memory.recovered:
		return fmt.Errorf("%w: start %v was accepted by map version %d, and recover-map has gone on without it (version %d): "+
			"start the node with an empty directory, to be filled from the others", ErrGivenUp, c.Accepted, c.AcceptedIn, t.memory.recovered)
	case last.IsZero():
		return fmt.Errorf("%w: it does not have store %v, of which start %v was accepted",
			ErrMapBehind, n.Store, c.Accepted)
	case (last == c.Accepted || slices.Contains(c.Since, last)) && last.Incarnation >= n.Incarnation:
		return fmt.Errorf("%w: %v; a start's counter is above that of all before it, this one is %v", ErrOldStart, last, n.Start())
	case last == c.Accepted, slices.Contains(c.Since, last):
		return t.aboveDispute(n)
	case last.Incarnation > c.Accepted.Incarnation:
		return fmt.Errorf("%w: the map has start %v, the directory knows no later one than %v: it was restored from an earlier copy, or another copy of it was started since. "+
			"Start the node with the newest directory, or with an empty one: then its disk counts as lost", ErrOldStart, last, c.Accepted)
	case last.Incarnation < c.Accepted.Incarnation:
		return fmt.Errorf("%w: it has start %v, the directory knows that %v was accepted",
			ErrMapBehind, last, c.Accepted)
	}
	return fmt.Errorf("%w: the map has start %v, the directory knows that %v was accepted: holdfast accept-start %s --store %v chooses this directory; "+
		"an empty one chooses the map, and its disk counts as lost", ErrTwoHistories, last, c.Accepted, n.ID, n.Store)
}

// aboveDispute refuses a start of a chosen directory whose counter the other
// history may have used too.
func (t *txn) aboveDispute(n *partition.Node) error {
	u, ok := t.memory.unsettledStart(n.ID, n.Store)
	if !ok || !u.Disputed || !u.Chosen || n.Incarnation > u.Highest {
		return nil
	}
	return fmt.Errorf("%w: its directory was chosen; start it once more: its next start takes a counter above %d", ErrTwoHistories, u.Highest)
}

// onlyCopy returns a partition of which no other node that is alive has a copy that
// counts: nobody could say whether the node's directory is the newest, and what is
// not brought up to date by another replica would be lost with those that are dead.
func (t *txn) onlyCopy(node partition.NodeID, live []partition.NodeID) (partition.ID, bool) {
	for i := range t.old.Partitions {
		c := &t.old.Partitions[i]
		_, eligible := partition.Find(c.Eligible, node)
		if !c.InSync(node) && !eligible {
			continue
		}
		if !slices.ContainsFunc(c.Replicas, func(r partition.Replica) bool { return r.Node != node && slices.Contains(live, r.Node) }) {
			return c.ID, true
		}
	}
	return 0, false
}

// vouchedFor reports whether the operator has said that the start at another
// address has the node's own directory, and that the earlier process is gone.
func (t *txn) vouchedFor(c *Register) bool {
	u, ok := t.memory.unsettledStart(c.Node.ID, c.Node.Store)
	return ok && u.Elsewhere && u.Chosen && u.follows(c)
}

// follows reports whether a start is the one that the operator was asked about, or
// a later one of the same directory: its word is for no other copy.
func (u *UnsettledStart) follows(c *Register) bool {
	return u.Start == c.Node.Start() || slices.Contains(c.Since, u.Start)
}

// unsettled remembers a start that could not be judged, and returns the counter
// that the node's next start must exceed.
func (t *txn) unsettled(c *Register, disputed, elsewhere bool) (above uint64) {
	last, _ := t.lastStart(c.Node.ID, c.Node.Store)
	u := UnsettledStart{
		Node: c.Node.ID, Store: c.Node.Store, PeerAddr: c.Node.PeerAddr, Start: c.Node.Start(), Accepted: c.Accepted,
		Highest: max(c.Node.Incarnation, c.Accepted.Incarnation, last.Incarnation), Disputed: disputed, Elsewhere: elsewhere,
	}
	for _, s := range c.Since {
		u.Highest = max(u.Highest, s.Incarnation)
	}
	if known, ok := t.memory.unsettledStart(u.Node, u.Store); ok {
		u.Highest = max(u.Highest, known.Highest)
		// A start that asks again runs where it ran.
		u.Elsewhere = elsewhere || !disputed && known.Elsewhere && known.follows(c)
		u.Chosen = known.Chosen && known.follows(c) && known.Disputed == disputed && known.Elsewhere == u.Elsewhere
		if u.Chosen { // what asks too early does not raise the bar
			u.Highest = known.Highest
		}
	}
	t.memory.setUnsettled(u)
	if !disputed {
		return 0
	}
	return u.Highest
}

// chosenAbove reports whether the operator has chosen the directory of a start, and
// its counter is above all that the other history may have used.
func (t *txn) chosenAbove(c *Register) bool {
	u, ok := t.memory.unsettledStart(c.Node.ID, c.Node.Store)
	return ok && u.Disputed && u.Chosen && u.Accepted == c.Accepted && c.Node.Incarnation > u.Highest
}

// acceptStart takes an operator's word that a directory is the right one.
func (t *txn) acceptStart(c AcceptStart) error {
	u, ok := t.memory.unsettledStart(c.Node, c.Store)
	switch {
	case !ok:
		return fmt.Errorf("accept a start of node %q with store %v: %w: the coordinators refuse none", c.Node, c.Store, ErrStale)
	case u.Start != c.Start:
		return fmt.Errorf("accept start %v of node %q with store %v: %w: start %v at %s has asked since", c.Start, c.Node, c.Store, ErrStale, u.Start, u.PeerAddr)
	case u.Accepted != c.Accepted:
		return fmt.Errorf("accept a start of node %q with store %v: %w: its directory names start %v now, not %v", c.Node, c.Store, ErrStale, u.Accepted, c.Accepted)
	case t.memory.behind.Since != 0 && !u.Disputed && !u.Elsewhere:
		return fmt.Errorf("accept a start of node %q with store %v: %w", c.Node, c.Store, ErrMapBehind)
	case u.Chosen:
		return nil // said twice
	}
	behind := t.memory.behind.Since != 0
	if behind {
		t.vouch(&u)
	}
	if u.Elsewhere || behind {
		u.Chosen = true
		t.memory.setUnsettled(u)
		t.memory.note(Event{Index: t.index, Kind: "start accepted", Node: u.Node, Reason: fmt.Sprintf("by the operator: store %v at %s", u.Store, u.PeerAddr)})
		return nil
	}
	n := partition.Node{ID: u.Node, PeerAddr: u.PeerAddr, Weight: 1}
	known, again := t.old.Node(u.Node)
	if again {
		n = *known
	}
	n.Store, n.Incarnation, n.StartID = u.Store, u.Accepted.Incarnation, u.Accepted.ID
	b := &boot{txn: t, node: n}
	if again && known.Store != u.Store {
		t.memory.retire(known)
		b.loseDisk()
	} else {
		b.doubt()
	}
	t.setNode(n)
	u.Chosen = true
	t.memory.setUnsettled(u)
	t.memory.note(Event{Index: t.index, Kind: "start accepted", Node: u.Node, Reason: fmt.Sprintf("by the operator: store %v, start %v", u.Store, u.Accepted)})
	return nil
}

// doubt has the node learn wherever another replica is in sync: the map knows its
// copies by another history than that of the directory which was chosen.
func (b *boot) doubt() {
	for i := range b.old.Partitions {
		cur := &b.old.Partitions[i]
		_, eligible := partition.Find(cur.Eligible, b.node.ID)
		if (eligible || cur.InSync(b.node.ID)) && othersInSync(cur, b.node.ID) {
			b.store(b.withPrimary(b.doubtful(cur)))
		}
	}
}

func (m *memory) unsettledStart(node partition.NodeID, store partition.StoreID) (UnsettledStart, bool) {
	i, ok := slices.BinarySearchFunc(m.unsettled, UnsettledStart{Node: node, Store: store}, compareUnsettled)
	if !ok {
		return UnsettledStart{}, false
	}
	return m.unsettled[i], true
}

func (m *memory) setUnsettled(u UnsettledStart) {
	list := slices.Clone(m.unsettled)
	i, known := slices.BinarySearchFunc(list, u, compareUnsettled)
	if known {
		list[i] = u
	} else {
		list = slices.Insert(list, i, u)
	}
	m.unsettled = list[max(0, len(list)-maxUnsettled):]
}

// settle forgets what was unsettled about a store; with store zero, about all
// stores of the node.
func (m *memory) settle(node partition.NodeID, store partition.StoreID) {
	m.unsettled = slices.DeleteFunc(slices.Clone(m.unsettled), func(u UnsettledStart) bool {
		return u.Node == node && (store == 0 || u.Store == store)
	})
}

func (w *writer) unsettled(u UnsettledStart) {
	w.replica(partition.Replica{Node: u.Node, Store: u.Store})
	w.text(u.PeerAddr)
	w.start(u.Start)
	w.start(u.Accepted)
	w.uint(u.Highest)
	w.bool(u.Disputed)
	w.bool(u.Elsewhere)
	w.bool(u.Chosen)
}

func (r *reader) unsettled() UnsettledStart {
	of := r.replica()
	return UnsettledStart{
		Node: of.Node, Store: of.Store, PeerAddr: r.text(), Start: r.start(), Accepted: r.start(),
		Highest: r.uint(), Disputed: r.bool(), Elsewhere: r.bool(), Chosen: r.bool(),
	}
}
