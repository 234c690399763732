package state

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// register takes a node's new boot into the map.
func (t *txn) register(c Register) Result {
	n := c.Node
	n.Weight = max(1, n.Weight)
	n.Services = maps.Clone(n.Services)
	n.Duty = partition.Full
	if n.ID == "" || n.Store == 0 || n.Incarnation == 0 {
		return Result{Err: fmt.Errorf("register node %q: %w: store %v and incarnation %d must be set", n.ID, ErrInvalid, n.Store, n.Incarnation)}
	}
	known, again := t.old.Node(n.ID)
	judged := t.judgeStart(&c)
	if slices.ContainsFunc(t.memory.removed, func(r partition.Replica) bool { return r.Store == n.Store }) {
		return Result{Err: fmt.Errorf("register node %q: %w: start it with an empty data directory to add it anew", n.ID, ErrRemoved)}
	}
	if t.memory.behind.Since == 0 {
		if err := t.taken(&n, &c); err != nil {
			return Result{Err: fmt.Errorf("register node %q: %w", n.ID, err)}
		}
	}
	if t.memory.behind.Since != 0 || t.showsBehind(&c) || errors.Is(judged, ErrMapBehind) {
		return t.registerBehind(n, &c, judged)
	}
	if again && known.Store == n.Store && known.Start() == n.Start() {
		t.memory.settle(n.ID, n.Store)
		return Result{} // said twice
	}
	if again {
		// What an operator said of the node holds; who was replaced is back.
		if n.Duty = known.Duty; n.Duty == partition.Replaced {
			n.Duty = partition.Full
		}
		if c.Node.Weight == 0 {
			n.Weight = known.Weight
		}
	}
	if err := t.mayRegister(&n, known, &c, judged); err != nil {
		r := Result{Err: fmt.Errorf("register node %q: %w", n.ID, err)}
		disputed, elsewhere := errors.Is(err, ErrTwoHistories), errors.Is(err, ErrOnlyCopy)
		if disputed || elsewhere {
			r.Above = t.unsettled(&c, disputed, elsewhere)
		}
		return r
	}
	b := &boot{txn: t, node: n, live: c.Live, copies: make(map[partition.ID]Copy, len(c.Copies)), moved: again && c.Silent == known.Start()}
	for _, have := range c.Copies {
		b.copies[have.Partition] = have
	}
	lostDisk := again && known.Store != n.Store
	t.memory.settle(n.ID, 0)
	t.setNode(n)
	if lostDisk {
		t.memory.retire(known)
		b.loseDisk()
		t.memory.note(Event{Index: t.index, Kind: "lost disk", Node: n.ID, Partitions: b.changed, Reason: "registered with another store"})
		return Result{Verdicts: b.verdicts}
	}
	b.restart()
	if again && known.Duty == partition.Replaced {
		t.recall(n.ID) // it is back before others had all that it holds
	}
	t.memory.note(Event{Index: t.index, Kind: "registered", Node: n.ID, Partitions: b.changed, Reason: "started"})
	return Result{Verdicts: b.verdicts}
}

// taken refuses a node with the store, or at the address, of another one.
func (t *txn) taken(n *partition.Node, c *Register) error {
	for i := range t.old.Nodes {
		o := &t.old.Nodes[i]
		if o.ID == n.ID {
			continue
		}
		if o.Store == n.Store {
			return fmt.Errorf("%w: %v is %q's", ErrStoreTaken, n.Store, o.ID)
		}
		if o.PeerAddr != "" && o.PeerAddr == n.PeerAddr && slices.Contains(c.Live, o.ID) {
			return fmt.Errorf("%w: %s is %q's", ErrAddressTaken, n.PeerAddr, o.ID)
		}
	}
	return nil
}

// mayRegister decides whether the boot may become the node's. Known is nil for
// a node that is new; judged is what judgeStart said.
func (t *txn) mayRegister(n, known *partition.Node, c *Register, judged error) error {
	if judged != nil {
		return judged
	}
	switch {
	case known == nil, c.Silent.IsZero() && n.SameAddress(known):
		return nil
	case known.Store != n.Store && !n.SameAddress(known):
		return fmt.Errorf("%w: store %v at %s, not %v at %s: start it at its known address, which shows that the other process is gone, or give it another node ID",
			ErrElsewhere, known.Store, known.PeerAddr, n.Store, n.PeerAddr)
	case c.Silent != known.Start():
		return fmt.Errorf("%w: start %v at %s", ErrMayRun, known.Start(), known.PeerAddr)
	case known.Store != n.Store:
		return nil // a lost disk
	}
	if id, only := t.onlyCopy(n.ID, c.Live); only && !t.vouchedFor(c) {
		return fmt.Errorf("%w: %v. Start the node at its known address, %s; or, if the process there is stopped for good and this is its directory and no copy of it: holdfast accept-start %s",
			ErrOnlyCopy, id, known.PeerAddr, n.ID)
	}
	return nil
}

// boot is a registration that has been let in.
type boot struct {
	*txn
	node   partition.Node
	copies map[partition.ID]Copy
	live   []partition.NodeID
	// moved: the earlier start was found silent, which does not prove that it is dead.
	moved    bool
	changed  int
	verdicts []Verdict
}

// others reports whether a node may take over what the booting one led.
func (b *boot) others(id partition.NodeID) bool {
	return id != b.node.ID && slices.Contains(b.live, id)
}

// loseDisk takes the node out of all lists; what it had, it learns again.
func (b *boot) loseDisk() { b.loseAll(b.node.Store) }

// giveUp takes the node out of all lists for good.
func (b *boot) giveUp() { b.loseAll(0) }

func (b *boot) loseAll(again partition.StoreID) {
	for i := range b.old.Partitions {
		cur := &b.old.Partitions[i]
		if !cur.Lists(b.node.ID) {
			continue
		}
		if next, back := b.back(cur); back {
			b.store(next)
			continue
		}
		b.store(b.withPrimary(lose(cur, b.node.ID, again)))
	}
}

// restart raises the epoch of everything that lists the node.
func (b *boot) restart() {
	for i := range b.old.Partitions {
		cur := &b.old.Partitions[i]
		if !cur.Lists(b.node.ID) {
			continue
		}
		b.store(b.restarted(cur))
	}
}

// restarted returns the partition's next configuration.
func (b *boot) restarted(cur *partition.Configuration) partition.Configuration {
	if next, back := b.back(cur); back {
		return next
	}
	have, reported := b.copies[cur.ID]
	there := reported && have.Lineage != 0 && (have.Lineage == cur.Lineage || b.memory.chose(cur, partition.Replica{Node: b.node.ID, Store: b.node.Store}, have.Epoch))
	vouched := cur.InSync(b.node.ID)
	if _, ok := partition.Find(cur.Eligible, b.node.ID); ok {
		vouched = true
	}
	switch {
	case vouched && there:
		b.memory.touch(cur.ID)
	case vouched && (reported || !b.memory.mayBeEmpty(cur.ID, b.node.ID, b.node.Store)):
		b.verdicts = append(b.verdicts, Verdict{Partition: cur.ID, Err: fmt.Errorf(
			"register %v of node %q: %w that the map counts on: it starts again", cur.ID, b.node.ID, ErrNoCopy)})
		return b.withPrimary(lose(cur, b.node.ID, b.node.Store))
	}
	if b.moved && vouched && b.liveInSync(cur) {
		return b.withPrimary(b.doubtful(cur))
	}
	next := *cur
	next.Epoch++
	if next.Primary == b.node.ID {
		if to := b.fewestPrimaries(next.Replicas, b.others); to != "" {
			next.Primary = to
		}
	}
	return next
}

// doubtful returns what follows where the node's earlier start ran at another
// address, and others are in sync: it may be alive, and its directory may be a
// copy that was made while it ran. The node learns from the others.
func (b *boot) doubtful(cur *partition.Configuration) partition.Configuration {
	self := []partition.Replica{{Node: b.node.ID, Store: b.node.Store}}
	next := *cur
	next.Epoch++
	next.Replicas = without(cur.Replicas, self)
	next.Eligible = without(cur.Eligible, self)
	next.Learners = union(without(cur.Learners, self), self)
	if next.Primary == b.node.ID {
		next.Primary = ""
	}
	return next
}

// liveInSync reports whether a replica of another node that lives is in sync.
func (b *boot) liveInSync(c *partition.Configuration) bool {
	return slices.ContainsFunc(c.Replicas, func(r partition.Replica) bool { return b.others(r.Node) })
}

// othersInSync reports whether a replica of another node is in sync.
func othersInSync(c *partition.Configuration, node partition.NodeID) bool {
	return slices.ContainsFunc(c.Replicas, func(r partition.Replica) bool { return r.Node != node })
}

// withPrimary finds a live primary for a configuration that has lost its own.
func (b *boot) withPrimary(c partition.Configuration) partition.Configuration {
	if c.Primary == "" {
		c.Primary = b.fewestPrimaries(c.Replicas, b.others)
	}
	return c
}

func (b *boot) store(c partition.Configuration) {
	b.set(c)
	b.changed++
}
