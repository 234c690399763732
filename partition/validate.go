package partition

import (
	"errors"
	"fmt"
	"slices"
)

// MaxPartitions is the most partitions that a cluster may be created with.
const MaxPartitions = 65536

// Validate reports all that is wrong with settings.
func (s Settings) Validate() error {
	var faults []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	check(s.Partitions >= 1 && s.Partitions <= MaxPartitions, "%d partitions: want 1 to %d", s.Partitions, MaxPartitions)
	check(s.ReplicationFactor >= 1, "replication factor %d: want 1 or more", s.ReplicationFactor)
	check(s.MinInSync >= 1 && s.MinInSync <= s.ReplicationFactor, "min-in-sync %d: want 1 to the replication factor, %d", s.MinInSync, s.ReplicationFactor)
	check(s.ExpectNodes >= s.ReplicationFactor, "expect-nodes %d: want the replication factor, %d, or more", s.ExpectNodes, s.ReplicationFactor)
	return errors.Join(faults...)
}

// Validate reports everything in the map that must never be, all faults at
// once. The map of a cluster that is not created yet is valid when it is empty.
func (m *Map) Validate() error {
	if m.ClusterID == "" {
		if len(m.Nodes) > 0 || len(m.Partitions) > 0 || m.Settings != (Settings{}) {
			return errors.New("map without a cluster ID is not empty")
		}
		return nil
	}
	v := &validator{m: m, stores: make(map[NodeID]StoreID, len(m.Nodes))}
	if err := m.Settings.Validate(); err != nil {
		v.faults = append(v.faults, err)
	}
	v.nodes()
	if n := len(m.Partitions); n != 0 && n != m.Settings.Partitions {
		v.fault("map has %d partitions, its settings say %d", n, m.Settings.Partitions)
	}
	for i := range m.Partitions {
		v.partition(i, &m.Partitions[i])
	}
	v.moves()
	return errors.Join(v.faults...)
}

// Validate reports what is wrong with how moves are made.
func (r Rebalance) Validate() error {
	var faults []error
	if most := max(r.AtOnce, r.AtOnceEach); min(r.AtOnce, r.AtOnceEach) < 0 || most > MostAtOnce {
		faults = append(faults, fmt.Errorf("%d moves at once, %d of each node: want 0, for none, to %d", r.AtOnce, r.AtOnceEach, MostAtOnce))
	}
	if r.Throttle < 0 || r.Throttle > MostThrottle {
		faults = append(faults, fmt.Errorf("throttle of %d bytes a second: want 0, for none, to %d", r.Throttle, int64(MostThrottle)))
	}
	return errors.Join(faults...)
}

type validator struct {
	m      *Map
	stores map[NodeID]StoreID
	faults []error
}

func (v *validator) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Errorf(format, args...))
}

func (v *validator) nodes() {
	owners := make(map[StoreID]NodeID, len(v.m.Nodes))
	for i, n := range v.m.Nodes {
		if i > 0 && v.m.Nodes[i-1].ID >= n.ID {
			v.fault("node %q does not come after %q", n.ID, v.m.Nodes[i-1].ID)
		}
		if n.ID == "" || n.Store == 0 || n.Incarnation == 0 || n.Weight == 0 {
			v.fault("node %q: name, store %v, incarnation %d and weight %d must all be set", n.ID, n.Store, n.Incarnation, n.Weight)
		}
		if other, taken := owners[n.Store]; taken {
			v.fault("nodes %q and %q have the same store %v", other, n.ID, n.Store)
		}
		if !n.Duty.Valid() {
			v.fault("node %q: unknown %v", n.ID, n.Duty)
		}
		owners[n.Store] = n.ID
		v.stores[n.ID] = n.Store
	}
}

func (v *validator) moves() {
	if err := v.m.Rebalance.Validate(); err != nil {
		v.faults = append(v.faults, err)
	}
	for i, move := range v.m.Moves {
		if i > 0 && v.m.Moves[i-1].Partition >= move.Partition {
			v.fault("moves are not sorted, or two are of %v", move.Partition)
		}
		if _, placed := v.m.Partition(move.Partition); !placed {
			v.fault("move of %v, which is not placed", move.Partition)
		}
		if move.Primary == "" && move.From == "" && move.To == "" || move.Since == 0 {
			v.fault("move of %v does nothing, or has no beginning", move.Partition)
		}
	}
}

func (v *validator) partition(index int, c *Configuration) {
	if int(c.ID) != index {
		v.fault("%v stands at index %d", c.ID, index)
	}
	if c.Epoch == 0 || c.Lineage == 0 {
		v.fault("%v: epoch %d and lineage %d must be set", c.ID, c.Epoch, c.Lineage)
	}
	v.list(c, "replicas", c.Replicas, true)
	v.list(c, "learners", c.Learners, true)
	v.list(c, "eligible", c.Eligible, true)
	v.list(c, "unavailable", c.Unavailable, false)
	if c.Primary != "" && !c.InSync(c.Primary) {
		v.fault("%v: primary %q is not in sync", c.ID, c.Primary)
	}
	for _, r := range c.Learners {
		if c.InSync(r.Node) {
			v.fault("%v: learner %q is in sync", c.ID, r.Node)
		}
	}
	for _, r := range c.Eligible {
		if !slices.Contains(c.Learners, r) {
			v.fault("%v: eligible %q is no learner", c.ID, r.Node)
		}
	}
	if len(c.Eligible) > 0 && len(c.Replicas) >= v.m.Settings.MinInSync {
		v.fault("%v: eligible replicas with %d in sync, which is no fewer than min-in-sync", c.ID, len(c.Replicas))
	}
	if len(c.Unavailable) > 0 && len(c.Replicas) > 0 {
		v.fault("%v: unavailable replicas beside replicas in sync", c.ID)
	}
}

// list checks the order of a list of replicas, and whether the map knows them
// by the store named; current is false for copies that are lost.
func (v *validator) list(c *Configuration, name string, list []Replica, current bool) {
	for i, r := range list {
		if i > 0 && list[i-1].Node >= r.Node {
			v.fault("%v: %s are not sorted, or name %q twice", c.ID, name, r.Node)
		}
		if store, known := v.stores[r.Node]; current && (!known || store != r.Store) {
			v.fault("%v: %s name store %v of node %q, which the map does not know", c.ID, name, r.Store, r.Node)
		}
		if r.Store == 0 {
			v.fault("%v: %s name node %q without a store", c.ID, name, r.Node)
		}
	}
}
