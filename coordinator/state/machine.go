package state

import (
	"sync/atomic"

	"github.com/holdfast-io/holdfast/partition"
)

// Machine is the replicated state. Map may be called from any goroutine; all
// else is for the one that Raft applies on.
type Machine struct {
	current atomic.Pointer[partition.Map]
	memory  memory
}

// New returns the machine before its first command.
func New() *Machine {
	m := &Machine{}
	m.current.Store(&partition.Map{})
	return m
}

// Map returns the map: an immutable value, replaced with each change.
func (m *Machine) Map() *partition.Map { return m.current.Load() }

// Override is an operator's decision to promote a copy that was not in sync. It
// is remembered for ever.
type Override struct {
	Index     uint64                  `json:"index"` // of the Raft entry
	Unsafe    bool                    `json:"unsafe"`
	Partition partition.ID            `json:"partition"`
	Replica   partition.Replica       `json:"replica"` // the copy that was promoted
	Epoch     partition.Epoch         `json:"epoch"`   // that it became primary in
	Lineage   uint32                  `json:"lineage"` // from then on
	Before    partition.Configuration `json:"before"`  // what the map said until then
}

// Overrides returns all overrides, oldest first: an immutable value.
func (m *Machine) Overrides() []Override { return m.memory.overrides }

// Removed returns the disks that were taken out of the cluster for good, oldest
// first: an immutable value.
func (m *Machine) Removed() []partition.Replica { return m.memory.removed }

// Voter is a coordinator's place in the group, with the data directory that it
// belongs to.
type Voter struct {
	Coordinator string
	Store       partition.StoreID // 0 while the place is vacant
	Since       uint64            // index of the command that gave the place away
}

// Seats returns the coordinators' places that do not belong to the directories
// that they were founded with: an immutable value.
func (m *Machine) Seats() []Voter { return m.memory.seats }

// SeatFor returns the command that gives a coordinator's place to a directory, or
// to none where store is 0. It names who has the place now.
func SeatFor(seats []Voter, coordinator string, store partition.StoreID) Seat {
	s := Seat{Coordinator: coordinator, Store: store}
	for _, v := range seats {
		if v.Coordinator == coordinator {
			s.Since = v.Since
		}
	}
	return s
}

// Unsettled returns the starts that wait for the operator, sorted by node and
// store: an immutable value.
func (m *Machine) Unsettled() []UnsettledStart { return m.memory.unsettled }

// Event is something that happened to a node, or to the map, for people.
type Event struct {
	Index      uint64           `json:"index"` // of the Raft entry
	Kind       string           `json:"kind"`  // "registered", "lost disk", "failed", "map behind", ...
	Node       partition.NodeID `json:"node"`
	Partitions int              `json:"partitions"` // how many it changed
	Reason     string           `json:"reason"`
}

// Events returns the last events, oldest first: an immutable value.
func (m *Machine) Events() []Event { return m.memory.events }
