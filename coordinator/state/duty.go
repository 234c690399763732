package state

import (
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// assign gives a node another duty. What the rebalancer proposes is said of one boot
// and one duty: what an operator wants goes first.
func (t *txn) assign(c Assign) error {
	n, known := t.old.Node(c.Node)
	named := c.Incarnation != 0 || c.Store != 0
	switch {
	case !known:
		return fmt.Errorf("assign %v to node %q: %w", c.Duty, c.Node, ErrUnknownNode)
	case !c.Duty.Valid():
		return fmt.Errorf("assign %v to node %q: %w", c.Duty, c.Node, ErrInvalid)
	case named && (c.Store != n.Store || c.Incarnation != n.Incarnation || n.Duty != c.Was && n.Duty != c.Duty):
		return fmt.Errorf("assign %v to node %q, store %v, boot %d, which was %v: %w: it is at store %v, boot %d, and %v",
			c.Duty, c.Node, c.Store, c.Incarnation, c.Was, ErrStale, n.Store, n.Incarnation, n.Duty)
	case c.Duty == partition.Replaced && !named:
		return fmt.Errorf("assign %v to node %q: %w: no start is named", c.Duty, c.Node, ErrInvalid)
	}
	if c.Duty == n.Duty {
		return nil
	}
	if err := t.enoughWithout(c.Node); c.Duty != partition.Full && err != nil {
		return fmt.Errorf("assign %v to node %q: %w", c.Duty, c.Node, err)
	}
	next := *n
	next.Duty = c.Duty
	t.setNode(next)
	if next.Duty == partition.Full {
		t.recall(n.ID)
	}
	t.memory.note(Event{Index: t.index, Kind: next.Duty.String(), Node: c.Node, Reason: fmt.Sprintf("was %v", n.Duty)})
	return nil
}

// enoughWithout reports an error where the other nodes could not hold as many
// replicas of each partition as there should be. It is checked here, so that two
// nodes are not drained at the same time where only one may be.
func (t *txn) enoughWithout(id partition.NodeID) error {
	others := 0
	for i := range t.old.Nodes {
		if n := &t.old.Nodes[i]; n.Duty == partition.Full && n.ID != id {
			others++
		}
	}
	if want := t.old.Settings.ReplicationFactor; others < want {
		return fmt.Errorf("%w: %d, for %d replicas of each partition; start another node first", ErrTooFewNodes, others, want)
	}
	return nil
}

// weigh gives a node another weight.
func (t *txn) weigh(c Weigh) error {
	n, known := t.old.Node(c.Node)
	switch {
	case !known:
		return fmt.Errorf("weigh node %q: %w", c.Node, ErrUnknownNode)
	case c.Weight == 0:
		return fmt.Errorf("weigh node %q: %w: a weight is 1 or more; drain a node that should hold nothing", c.Node, ErrInvalid)
	case c.Weight != n.Weight:
		next := *n
		next.Weight = c.Weight
		t.setNode(next)
	}
	return nil
}

// recall cancels what was to leave a node that has full duty again.
func (t *txn) recall(node partition.NodeID) {
	for _, v := range slices.Clone(t.old.Moves) {
		if c, err := t.movable(v.Partition); v.From == node && err == nil && c.Lists(node) {
			t.cancel(c, v)
		}
	}
}

// remove takes a node out of the map.
func (t *txn) remove(c Remove) error {
	n, known := t.old.Node(c.Node)
	if !known {
		return fmt.Errorf("remove node %q: %w", c.Node, ErrUnknownNode)
	}
	if c.Store != n.Store || c.Incarnation != n.Incarnation || c.Duty != n.Duty || !c.Lost && n.Duty != partition.Removing {
		return fmt.Errorf("remove node %q, store %v, boot %d, which was %v: %w: it is at store %v, boot %d, and %v",
			c.Node, c.Store, c.Incarnation, c.Duty, ErrStale, n.Store, n.Incarnation, n.Duty)
	}
	held := 0
	for i := range t.old.Partitions {
		if t.old.Partitions[i].Lists(n.ID) {
			held++
		}
	}
	if held > 0 && !c.Lost {
		return fmt.Errorf("remove node %q: %w: of %d partitions", c.Node, ErrStillHolds, held)
	}
	b := &boot{txn: t, node: *n, live: c.Live}
	b.giveUp()
	for _, v := range slices.Clone(t.old.Moves) {
		if v.Touches(n.ID) {
			t.setMove(v.Partition, nil)
		}
	}
	t.dropNode(n.ID)
	t.memory.retire(n)
	t.memory.settle(n.ID, 0)
	t.memory.removed = append(slices.Clip(t.memory.removed), partition.Replica{Node: n.ID, Store: n.Store})
	t.memory.note(Event{Index: t.index, Kind: "removed", Node: n.ID, Partitions: held, Reason: "by the operator"})
	return nil
}
