package state

import (
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// changes judges each change on its own. A second change of a partition in the
// same command is stale, for the first has raised the epoch.
func (t *txn) changes(list []partition.Change) []Verdict {
	verdicts := make([]Verdict, len(list))
	for i := range list {
		c := &list[i]
		verdicts[i] = Verdict{Partition: c.Partition, Err: t.change(c)}
	}
	return verdicts
}

// fail is changes, as long as the map still has the boot that failed.
func (t *txn) fail(c Fail) Result {
	n, known := t.old.Node(c.Node)
	if !known || n.Incarnation != c.Incarnation {
		return Result{Err: fmt.Errorf("fail node %q, boot %d: %w", c.Node, c.Incarnation, ErrStale)}
	}
	r := Result{Verdicts: t.changes(c.Changes)}
	accepted := 0
	reason := ""
	for i, v := range r.Verdicts {
		if v.Err == nil {
			accepted, reason = accepted+1, c.Changes[i].Reason
		}
	}
	if accepted > 0 {
		t.memory.note(Event{Index: t.index, Kind: "failed", Node: c.Node, Partitions: accepted, Reason: reason})
	}
	return r
}

// change is a compare-and-set on the partition's epoch.
func (t *txn) change(c *partition.Change) error {
	cur, ok := t.partition(c.Partition)
	was, _ := t.old.Partition(c.Partition)
	switch {
	case !ok:
		return fmt.Errorf("change %v: %w", c.Partition, ErrNotPlaced)
	case c.Epoch != cur.Epoch, cur.Epoch != was.Epoch: // or changed by this command already
		return &StaleError{Asked: c.Epoch, Current: cur.Clone()}
	}
	if err := t.admissible(c, cur); err != nil {
		return fmt.Errorf("change %v at epoch %d: %w", c.Partition, c.Epoch, err)
	}
	next := reconfigure(cur, slices.Clone(c.Replicas), c.Primary, t.old.Settings.MinInSync)
	t.endWith(cur, &next)
	t.set(next)
	if c.Proposer != "" {
		t.memory.touch(c.Partition)
	}
	return nil
}

// admissible checks everything but the epoch.
func (t *txn) admissible(c *partition.Change, cur *partition.Configuration) error {
	if c.Proposer != "" && !cur.Lists(c.Proposer) {
		return fmt.Errorf("%w: node %q is in no role", ErrNotProposer, c.Proposer)
	}
	if len(c.Replicas) == 0 {
		return fmt.Errorf("%w: no replica would be left", ErrInvalid)
	}
	for i, r := range c.Replicas {
		if i > 0 && c.Replicas[i-1].Node >= r.Node {
			return fmt.Errorf("%w: replicas must be sorted and different", ErrInvalid)
		}
		if err := t.member(c, cur, r); err != nil {
			return err
		}
	}
	if _, stays := partition.Find(c.Replicas, c.Primary); !stays || !cur.InSync(c.Primary) {
		return fmt.Errorf("%w: %q is not in the old set and the new", ErrNotInSync, c.Primary)
	}
	return nil
}

// member checks one replica of the new set: it stays with its store, or is a
// learner with its store that the primary proposes. Only the primary knows that
// the learner has every acknowledged write, for it has sent them: it counts a
// replica in before it asks (L7).
func (t *txn) member(c *partition.Change, cur *partition.Configuration, r partition.Replica) error {
	if n, known := t.old.Node(r.Node); !known || n.Store != r.Store {
		return fmt.Errorf("%w: node %q, store %v", ErrUnknownStore, r.Node, r.Store)
	}
	if cur.InSync(r.Node) {
		return nil
	}
	if !cur.IsLearner(r.Node) {
		return fmt.Errorf("%w: node %q is none", ErrNotLearner, r.Node)
	}
	if c.Proposer != cur.Primary || c.Proposer == "" {
		return fmt.Errorf("%w: only the primary %q proposes learner %q, not %q", ErrNotProposer, cur.Primary, r.Node, c.Proposer)
	}
	if n, _ := t.old.Node(r.Node); !slices.Contains(c.Added, partition.Added{Node: r.Node, Start: n.Start()}) {
		return fmt.Errorf("%w: node %q runs as start %v, which the primary has not brought up to date", ErrNotLearner, r.Node, n.Start())
	}
	return nil
}
