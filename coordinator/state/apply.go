package state

import "fmt"

// Apply applies the command of one Raft entry. A command that changes the map raises
// its version; one that changes nothing leaves it.
func (m *Machine) Apply(index uint64, c Command) Result {
	m.memory.lineage.carryOut(index, c)
	if a, admin := c.(Admin); admin {
		return m.admin(index, a)
	}
	return m.apply(index, c)
}

func (m *Machine) apply(index uint64, c Command) Result {
	t := &txn{index: index, old: m.Map(), memory: &m.memory}
	if _, creating := c.(Create); !creating && t.old.ClusterID == "" {
		return Result{Err: fmt.Errorf("apply %T: %w", c, ErrNoCluster)}
	}
	if t.memory.behind.Since != 0 && !mayWhileBehind(c) {
		return Result{Err: fmt.Errorf("apply %T: %w", c, ErrMapBehind)}
	}
	var r Result
	switch c := c.(type) {
	case Create:
		r.Err = t.create(c)
	case Register:
		r = t.register(c)
	case Place:
		r.Err = t.place(c)
	case Changes:
		r.Verdicts = t.changes(c.Changes)
	case Fail:
		r = t.fail(c)
	case Recover:
		r.Err = t.recover(c)
	case UnsafeRecover:
		r.Err = t.unsafeRecover(c)
	case Confirm:
		t.confirm(c)
	case Assign:
		r.Err = t.assign(c)
	case Weigh:
		r.Err = t.weigh(c)
	case Remove:
		r.Err = t.remove(c)
	case Begin:
		r = t.begin(c)
	case End:
		r.Verdicts = t.end(c.Moves)
	case NoteBehind:
		t.noteBehind(c.Map)
	case NoteRestored:
		t.noteRestored(c)
	case RecoverMap:
		r.Err = t.recoverMap(c)
	case Seat:
		r.Err = t.memory.seat(index, c)
	case AcceptStart:
		r.Err = t.acceptStart(c)
	case SetRebalance:
		r.Err = t.setRebalance(c)
	default:
		r.Err = fmt.Errorf("apply %T: %w", c, ErrInvalid)
	}
	if next := t.commit(); next != t.old {
		m.current.Store(next)
		m.memory.lineage.add(next.Stamp())
		if t.partitions != nil {
			_, recovers := c.(RecoverMap)
			m.memory.give(t.old, next, recovers)
		}
		if t.nodes != nil || t.rebalance != nil {
			m.memory.steered = next.Version
		}
	}
	for i := range r.Verdicts {
		current, _ := m.Map().Partition(r.Verdicts[i].Partition)
		r.Verdicts[i].Current = current.Clone() // whoever waits for the result need not keep the map
	}
	return r
}

// create makes the cluster out of nothing.
func (t *txn) create(c Create) error {
	have := Create{ClusterID: t.old.ClusterID, Application: t.old.Application, Settings: t.old.Settings}
	switch {
	case have == c && c.ClusterID != "":
		return nil
	case have.ClusterID != "":
		return fmt.Errorf("create cluster %q: %w", c.ClusterID, ErrExists)
	case c.ClusterID == "" || c.Application == "":
		return fmt.Errorf("create cluster %q for application %q: %w: both need a name", c.ClusterID, c.Application, ErrInvalid)
	}
	if err := c.Settings.Validate(); err != nil {
		return fmt.Errorf("create cluster %q: %w: %w", c.ClusterID, ErrInvalid, err)
	}
	t.created = &c
	return nil
}

// place takes over the first placement as it was computed, if it fits the nodes
// that the map has by now.
func (t *txn) place(c Place) error {
	if t.old.Placed() {
		return fmt.Errorf("place partitions: %w", ErrPlaced)
	}
	next := *t.old
	next.Partitions = c.Configurations
	if len(c.Configurations) != t.old.Settings.Partitions {
		return fmt.Errorf("place partitions: %w: %d configurations for %d partitions", ErrInvalid, len(c.Configurations), t.old.Settings.Partitions)
	}
	for i := range c.Configurations {
		p := &c.Configurations[i]
		if p.Epoch != 1 || len(p.Replicas) != t.old.Settings.ReplicationFactor || p.Primary == "" ||
			len(p.Learners)+len(p.Eligible)+len(p.Unavailable) > 0 {
			return fmt.Errorf("place %v: %w: not a first configuration", p.ID, ErrInvalid)
		}
	}
	if err := next.Validate(); err != nil {
		return fmt.Errorf("place partitions: %w: %w", ErrStale, err)
	}
	t.partitions = c.Configurations
	t.memory.placed(t.old.Nodes, len(c.Configurations))
	return nil
}

// confirm notes which nodes have their first copies on disk.
func (t *txn) confirm(c Confirm) {
	for _, r := range c.Nodes {
		t.memory.confirm(r)
	}
}
