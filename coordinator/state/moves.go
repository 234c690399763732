package state

import (
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// begin judges moves one by one, and begins those that fit the map.
func (t *txn) begin(c Begin) Result {
	if c.Version < t.memory.steered {
		return Result{Err: fmt.Errorf("begin moves planned from version %d: %w: the nodes or the rebalancing settings changed in version %d",
			c.Version, ErrStale, t.memory.steered)}
	}
	verdicts := make([]Verdict, len(c.Moves))
	for i := range c.Moves {
		verdicts[i] = Verdict{Partition: c.Moves[i].Partition, Err: t.beginOne(c.Moves[i])}
	}
	return Result{Verdicts: verdicts}
}

func (t *txn) beginOne(v partition.Move) error {
	c, err := t.movable(v.Partition)
	if err != nil {
		return fmt.Errorf("begin move of %v: %w", v, err)
	}
	if _, moving := t.under(v.Partition); moving {
		return fmt.Errorf("begin move of %v: %w", v, ErrMoving)
	}
	if err := t.mayBegin(c, &v); err != nil {
		return fmt.Errorf("begin move of %v: %w", v, err)
	}
	v.Since = t.index
	t.setMove(v.Partition, &v)
	if v.To != "" {
		n, _ := t.node(v.To)
		next := *c
		next.Epoch++
		next.Learners = union(next.Learners, []partition.Replica{{Node: n.ID, Store: n.Store}})
		t.set(next)
	}
	return nil
}

// movable returns a partition that moves may change.
func (t *txn) movable(id partition.ID) (*partition.Configuration, error) {
	c, placed := t.partition(id)
	if !placed {
		return nil, ErrNotPlaced
	}
	return c, nil
}

// mayBegin checks a move against the partition and the nodes.
func (t *txn) mayBegin(c *partition.Configuration, v *partition.Move) error {
	if v.Primary != "" {
		if v.From != "" || v.To != "" || v.Primary == c.Primary {
			return fmt.Errorf("%w: it makes another primary, or moves a replica", ErrInvalid)
		}
		if !c.InSync(v.Primary) {
			return fmt.Errorf("%w: %q is not", ErrNotInSync, v.Primary)
		}
		return nil
	}
	if v.From == "" && v.To == "" || v.From == v.To {
		return fmt.Errorf("%w: it moves nothing", ErrInvalid)
	}
	if v.From != "" && !c.InSync(v.From) && !c.IsLearner(v.From) {
		return fmt.Errorf("%w: %q has none to give", ErrNoCopy, v.From)
	}
	if v.To == "" {
		return nil
	}
	n, known := t.node(v.To)
	switch {
	case !known:
		return fmt.Errorf("%w: %q", ErrUnknownNode, v.To)
	case n.Duty != partition.Full:
		return fmt.Errorf("%w: %q is %v", ErrNoDuty, v.To, n.Duty)
	case c.Lists(v.To):
		return fmt.Errorf("%w: %q", ErrTaken, v.To)
	}
	return nil
}

// end judges the ends of moves one by one.
func (t *txn) end(list []EndMove) []Verdict {
	verdicts := make([]Verdict, len(list))
	for i := range list {
		verdicts[i] = Verdict{Partition: list[i].Partition, Err: t.endOne(&list[i])}
	}
	return verdicts
}

func (t *txn) endOne(e *EndMove) error {
	c, err := t.movable(e.Partition)
	if err != nil {
		return fmt.Errorf("end move of %v: %w", e.Partition, err)
	}
	v, moving := t.under(e.Partition)
	if !moving || v.Since != e.Since {
		return fmt.Errorf("end move of %v that began at %d: %w", e.Partition, e.Since, ErrNoMove)
	}
	if e.Cancel {
		t.cancel(c, *v)
		return nil
	}
	if err := t.shrink(c, *v); err != nil {
		return fmt.Errorf("end move of %v: %w", v, err)
	}
	return nil
}

// cancel forgets a move, and the learner that it brought unless that is in sync
// by now, or counts for more.
func (t *txn) cancel(c *partition.Configuration, v partition.Move) {
	t.setMove(v.Partition, nil)
	learner, ok := partition.Find(c.Learners, v.To)
	if !ok {
		return
	}
	if _, eligible := partition.Find(c.Eligible, v.To); eligible {
		return
	}
	next := *c
	if was, _ := t.old.Partition(c.ID); was.Epoch == c.Epoch { // no command raises it twice
		next.Epoch++
	}
	next.Learners = without(c.Learners, []partition.Replica{learner})
	t.set(next)
}

// shrink ends a move that is done: who was to come is in sync, and who was to
// leave is taken out. The in-sync set is then no smaller than before the move,
// and never falls below min-in-sync by it.
func (t *txn) shrink(c *partition.Configuration, v partition.Move) error {
	switch {
	case v.Primary != "" && c.Primary != v.Primary:
		return fmt.Errorf("%w: %q is primary", ErrNotDone, c.Primary)
	case v.To != "" && !c.InSync(v.To):
		return fmt.Errorf("%w: %q is not in sync", ErrNotDone, v.To)
	case v.From != "" && c.Primary == v.From:
		return fmt.Errorf("%w: %q is primary", ErrNotDone, v.From)
	}
	leaves, ok := partition.Find(c.Replicas, v.From)
	if ok && len(c.Replicas)-1 < max(1, t.old.Settings.MinInSync) {
		return fmt.Errorf("%w: %d in sync would be left, and min-in-sync is %d", ErrNotDone, len(c.Replicas)-1, t.old.Settings.MinInSync)
	}
	if _, eligible := partition.Find(c.Eligible, v.From); eligible {
		return fmt.Errorf("%w: %q is eligible", ErrNotDone, v.From)
	}
	t.setMove(v.Partition, nil)
	if !ok {
		if leaves, ok = partition.Find(c.Learners, v.From); !ok {
			return nil
		}
	}
	gone := []partition.Replica{leaves}
	next := *c
	if c.InSync(v.From) {
		next = reconfigure(c, without(c.Replicas, gone), c.Primary, t.old.Settings.MinInSync)
	} else {
		next.Epoch++
	}
	next.Learners = without(next.Learners, gone)
	t.set(next)
	return nil
}

// endWith ends a move together with the change that takes out who was to leave:
// it need not become a learner first. A second epoch right behind the first would
// often be one too many: a primary that hears of it from another node before it
// has seen the first must take it for a take-over (C6).
func (t *txn) endWith(cur, next *partition.Configuration) {
	v, moving := t.under(cur.ID)
	if !moving || v.From == "" || !cur.InSync(v.From) || next.InSync(v.From) || v.To != "" && !next.InSync(v.To) ||
		len(next.Replicas) < max(1, t.old.Settings.MinInSync) {
		return
	}
	next.Learners = without(next.Learners, []partition.Replica{{Node: v.From}})
	t.setMove(cur.ID, nil)
}

// setRebalance changes how moves are made.
func (t *txn) setRebalance(c SetRebalance) error {
	next := c.Change.Of(t.old.Rebalance)
	if err := next.Validate(); err != nil {
		return fmt.Errorf("change how moves are made: %w: %w", ErrInvalid, err)
	}
	if next != t.old.Rebalance {
		t.rebalance = &next
	}
	return nil
}
