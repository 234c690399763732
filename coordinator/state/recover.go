package state

import (
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// recover promotes an eligible replica: it has every acknowledged write, for
// none was acknowledged since it was removed (C5).
func (t *txn) recover(c Recover) error {
	cur, ok := t.partition(c.Partition)
	if !ok {
		return fmt.Errorf("recover %v: %w", c.Partition, ErrNotPlaced)
	}
	if c.Epoch != cur.Epoch {
		return fmt.Errorf("recover %v judged in epoch %d: %w: it is in epoch %d, with primary %q", c.Partition, c.Epoch, ErrStale, cur.Epoch, cur.Primary)
	}
	r, found := partition.Find(cur.Eligible, c.Node)
	if !found {
		return fmt.Errorf("recover %v at node %q: %w: eligible are %v", c.Partition, c.Node, ErrNotEligible, partition.Nodes(cur.Eligible))
	}
	next := reconfigure(cur, []partition.Replica{r}, r.Node, t.old.Settings.MinInSync)
	t.override(cur, next, r, false)
	return nil
}

// unsafeRecover promotes whatever copy the operator named. The new lineage
// makes all other copies start again, and keeps old ETags from matching.
func (t *txn) unsafeRecover(c UnsafeRecover) error {
	cur, ok := t.partition(c.Partition)
	if !ok {
		return fmt.Errorf("unsafe-recover %v: %w", c.Partition, ErrNotPlaced)
	}
	if c.Epoch != cur.Epoch {
		return fmt.Errorf("unsafe-recover %v judged in epoch %d: %w: it is in epoch %d, with primary %q", c.Partition, c.Epoch, ErrStale, cur.Epoch, cur.Primary)
	}
	if c.Lineage == 0 || c.Lineage == cur.Lineage {
		return fmt.Errorf("unsafe-recover %v: %w: lineage %d is not a new one", c.Partition, ErrInvalid, c.Lineage)
	}
	all := union(cur.Replicas, cur.Learners)
	r, found := partition.Find(all, c.Node)
	if !found {
		return fmt.Errorf("unsafe-recover %v at node %q: %w", c.Partition, c.Node, ErrNoCopy)
	}
	next := partition.Configuration{
		ID: cur.ID, Epoch: cur.Epoch + 1, Lineage: c.Lineage, Primary: r.Node,
		Replicas: []partition.Replica{r}, Learners: without(all, []partition.Replica{r}),
	}
	t.override(cur, next, r, true)
	return nil
}

// override makes the configuration the partition's, and remembers it for ever.
func (t *txn) override(cur *partition.Configuration, next partition.Configuration, r partition.Replica, unsafe bool) {
	t.memory.overrides = append(slices.Clip(t.memory.overrides), Override{
		Index: t.index, Unsafe: unsafe, Partition: cur.ID, Replica: r, Epoch: next.Epoch, Lineage: next.Lineage, Before: *cur,
	})
	t.memory.touch(cur.ID)
	t.set(next)
}
