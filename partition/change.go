package partition

// Added is a learner that a change adds to the in-sync replicas.
type Added struct {
	Node  NodeID `json:"node"`
	Start Start  `json:"start"`
}

// Change asks the coordinators for a partition's next configuration. It is a
// compare-and-set: it counts only while the map still has Epoch, and only if
// the map knows every replica named by the store named (rule C1). A change that
// asks for what is there already only raises the epoch.
type Change struct {
	Partition ID        `json:"partition"`
	Epoch     Epoch     `json:"epoch"` // the one it was computed from
	Primary   NodeID    `json:"primary"`
	Replicas  []Replica `json:"replicas"` // the in-sync set asked for, sorted by node
	// Added names, for each learner among Replicas, the start of its node that was
	// brought up to date: another start may run on an older copy of the directory.
	Added    []Added `json:"added,omitempty"`
	Proposer NodeID  `json:"proposer"` // the node that asks, or "" for the coordinators themselves
	Reason   string  `json:"reason"`   // in words, for people
}
