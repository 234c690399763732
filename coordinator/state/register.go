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
	if again && known.Store == n.Store && known.Start() == n.Start() {
		// Said twice, or said again because the coordinators were restored.
		b := &boot{txn: t, node: n}
		t.memory.settle(n.ID, n.Store)
		b.noteAhead(c.Copies)
		return Result{Verdicts: b.verdicts}
	}
	if slices.ContainsFunc(t.memory.removed, func(r partition.Replica) bool { return r.Store == n.Store }) {
		return Result{Err: fmt.Errorf("register node %q: %w: start it with an empty data directory to add it anew", n.ID, ErrRemoved)}
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
	if err := t.mayRegister(&n, known, &c); err != nil {
		r := Result{Err: fmt.Errorf("register node %q: %w", n.ID, err)}
		if disputed := errors.Is(err, ErrTwoHistories); disputed || errors.Is(err, ErrMapBehind) {
			r.Above = t.unsettled(&c, disputed)
		}
		return r
	}
	b := &boot{txn: t, node: n, live: c.Live, copies: make(map[partition.ID]Copy, len(c.Copies)), moved: again && !n.SameAddress(known)}
	for _, have := range c.Copies {
		b.copies[have.Partition] = have
	}
	lostDisk := again && known.Store != n.Store
	if lostDisk && t.memory.frozenFor(n.ID, t.old) {
		return Result{Err: fmt.Errorf("register node %q with another store: %w: holdfast unsafe-recover chooses a copy of each, and comes first", n.ID, ErrMapBehind)}
	}
	t.memory.settle(n.ID, 0)
	t.setNode(n)
	if lostDisk {
		t.memory.retire(known)
		b.loseDisk()
		t.memory.note(Event{Index: t.index, Kind: "lost disk", Node: n.ID, Partitions: b.changed, Reason: "registered with another store"})
		return Result{Verdicts: b.verdicts}
	}
	b.restart(c.Copies)
	if again && known.Duty == partition.Replaced {
		t.recall(n.ID) // it is back before others had all that it holds
	}
	t.memory.note(Event{Index: t.index, Kind: "registered", Node: n.ID, Partitions: b.changed, Reason: "started"})
	return Result{Verdicts: b.verdicts}
}

// mayRegister decides whether the boot may become the node's. Known is nil for
// a node that is new.
func (t *txn) mayRegister(n, known *partition.Node, c *Register) error {
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
	if err := t.judgeStart(c); err != nil {
		return err
	}
	switch {
	case known == nil || n.SameAddress(known):
		return nil
	case known.Store != n.Store:
		return fmt.Errorf("%w: store %v at %s, not %v at %s: start it at its known address, which shows that the other process is gone, or give it another node ID",
			ErrElsewhere, known.Store, known.PeerAddr, n.Store, n.PeerAddr)
	case c.Silent != known.Start():
		return fmt.Errorf("%w: start %v at %s", ErrMayRun, known.Start(), known.PeerAddr)
	}
	return nil
}

// boot is a registration that has been let in.
type boot struct {
	*txn
	node   partition.Node
	copies map[partition.ID]Copy
	live   []partition.NodeID
	// moved: the earlier start ran at another address, and may run there still.
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
		b.store(b.withPrimary(lose(cur, b.node.ID, again)))
	}
}

// restart raises the epoch of everything that lists the node.
func (b *boot) restart(copies []Copy) {
	b.noteAhead(copies)
	for i := range b.old.Partitions {
		cur := &b.old.Partitions[i]
		if !cur.Lists(b.node.ID) || b.memory.frozen(cur.ID) {
			continue
		}
		b.store(b.restarted(cur))
	}
}

// noteAhead freezes the partitions that the map is behind in, before anything
// is done to them.
func (b *boot) noteAhead(copies []Copy) {
	for _, have := range copies {
		cur, placed := b.old.Partition(have.Partition)
		switch {
		case placed && have.Epoch <= cur.Epoch, !placed && have.Epoch == 0, int(have.Partition) >= b.old.Settings.Partitions:
			continue
		}
		b.memory.setAhead(Ahead{
			Partition: have.Partition, Replica: partition.Replica{Node: b.node.ID, Store: b.node.Store},
			Epoch: have.Epoch, Lineage: have.Lineage,
		})
		b.verdicts = append(b.verdicts, Verdict{Partition: have.Partition, Err: fmt.Errorf(
			"register %v of node %q at epoch %d: %w: holdfast unsafe-recover --partition %d chooses a copy", have.Partition, b.node.ID, have.Epoch, ErrMapBehind, have.Partition)})
	}
}

// restarted returns the partition's next configuration.
func (b *boot) restarted(cur *partition.Configuration) partition.Configuration {
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
	if b.moved && vouched {
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
// address: it may be alive, and its directory may be a copy that was made while
// it ran. Where others are in sync the node learns from them. Where none is, the
// partition waits for the operator's word that the earlier process is gone.
func (b *boot) doubtful(cur *partition.Configuration) partition.Configuration {
	self := []partition.Replica{{Node: b.node.ID, Store: b.node.Store}}
	next := *cur
	next.Epoch++
	next.Replicas = without(cur.Replicas, self)
	next.Eligible = without(cur.Eligible, self)
	next.Learners = union(without(cur.Learners, self), self)
	if len(next.Replicas) == 0 {
		next.Eligible = union(next.Eligible, self)
		if cur.InSync(b.node.ID) {
			next.Unavailable = self
		}
	}
	if next.Primary == b.node.ID {
		next.Primary = ""
	}
	return next
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
