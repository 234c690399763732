package state

import (
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

const (
	// maxRetired bounds the replaced stores remembered for each node: programs
	// without a disk draw a store with every start.
	maxRetired = 16
	// maxEvents bounds the events remembered.
	maxEvents = 256
)

// memory is what the machine must remember beside the map.
type memory struct {
	// unconfirmed are the nodes, with their stores, of which nobody has said
	// that their copies of the first placement are on disk. Sorted by node.
	unconfirmed []partition.Replica
	// touched has a bit for each partition that somebody has adopted for sure.
	touched []uint64
	behind  Behind
	lineage lineage
	// recovered is the version that the last RecoverMap gave the map; zero: none did.
	recovered uint64
	// restored is the last command that noted a restoration; zero: none did.
	restored  LogPosition
	overrides []Override
	retired   []retired // oldest first
	events    []Event   // oldest first
	// removed are the nodes that were taken out for good, oldest first.
	removed []partition.Replica
	// unsettled are the starts that wait for the operator, sorted by node and store.
	unsettled []UnsettledStart
	// seats are the coordinators' places that were given anew, in that order.
	seats []Voter
	// steered is the version of the last map that changed a node or the
	// rebalancing settings: a plan from an older map is void.
	steered uint64
	given   [][]given // by partition; of each its last epochs, oldest first
	// operations are the admin commands with their results, oldest first.
	operations []Operation
}

// seat gives a place to a directory, or to none, if it still belongs to the one
// that the command names.
func (m *memory) seat(index uint64, s Seat) error {
	next := Voter{Coordinator: s.Coordinator, Store: s.Store, Since: index}
	if SeatFor(m.seats, s.Coordinator, s.Store) != s {
		return fmt.Errorf("give the place of coordinator %q away: %w", s.Coordinator, ErrStale)
	}
	m.seats = slices.DeleteFunc(slices.Clone(m.seats), func(v Voter) bool { return v.Coordinator == s.Coordinator })
	m.seats = append(m.seats, next)
	return nil
}

// retired is a store that was replaced by another under the same node ID.
type retired struct {
	node  partition.NodeID
	store partition.StoreID
	start partition.Start // the last one known
}

// placed begins the time in which a missing copy may be one not made yet.
func (m *memory) placed(nodes []partition.Node, partitions int) {
	m.unconfirmed = nil
	for _, n := range nodes {
		m.unconfirmed = append(m.unconfirmed, partition.Replica{Node: n.ID, Store: n.Store})
	}
	m.touched = make([]uint64, (partitions+63)/64)
}

// confirm ends that time for a node.
func (m *memory) confirm(r partition.Replica) {
	m.unconfirmed = slices.DeleteFunc(m.unconfirmed, func(u partition.Replica) bool { return u == r })
}

// touch ends it for a partition.
func (m *memory) touch(id partition.ID) { m.touched[id/64] |= 1 << (id % 64) }

// adoptedAll ends it for everything.
func (m *memory) adoptedAll(partitions int) {
	m.unconfirmed = nil
	m.touched = make([]uint64, (partitions+63)/64)
	for id := range partitions {
		m.touch(partition.ID(id))
	}
}

// mayBeEmpty reports whether the node may have no copy and still count: nobody
// is known to have adopted the first placement of the partition, nor the node
// to have written its copies.
func (m *memory) mayBeEmpty(id partition.ID, node partition.NodeID, store partition.StoreID) bool {
	return m.touched[id/64]&(1<<(id%64)) == 0 && slices.Contains(m.unconfirmed, partition.Replica{Node: node, Store: store})
}

// chose reports whether the partition's lineage began with that copy, which has
// not adopted it yet: it still has the one before on disk.
func (m *memory) chose(c *partition.Configuration, r partition.Replica, adopted partition.Epoch) bool {
	return slices.ContainsFunc(m.overrides, func(o Override) bool {
		return o.Unsafe && o.Partition == c.ID && o.Lineage == c.Lineage && o.Replica == r && adopted < o.Epoch
	})
}

// retire remembers the boot of a store that is replaced.
func (m *memory) retire(n *partition.Node) {
	m.retired = slices.DeleteFunc(m.retired, func(r retired) bool { return r.node == n.ID && r.store == n.Store })
	m.retired = append(m.retired, retired{node: n.ID, store: n.Store, start: n.Start()})
	count := 0
	for _, r := range m.retired {
		if r.node == n.ID {
			count++
		}
	}
	if oldest := slices.IndexFunc(m.retired, func(r retired) bool { return r.node == n.ID }); count > maxRetired {
		m.retired = slices.Delete(m.retired, oldest, oldest+1)
	}
	m.unconfirmed = slices.DeleteFunc(m.unconfirmed, func(u partition.Replica) bool { return u.Node == n.ID })
}

// note remembers an event, and forgets the oldest.
func (m *memory) note(e Event) {
	m.events = append(slices.Clip(m.events), e)
	m.events = m.events[max(0, len(m.events)-maxEvents):]
}
