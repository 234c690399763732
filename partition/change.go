package partition

// Change asks the coordinators for a partition's next configuration. It is a
// compare-and-set: it counts only while the map still has Epoch, and only if
// the map knows every replica named by the store named (rule C1). A change that
// asks for what is there already only raises the epoch.
type Change struct {
	Partition ID        `json:"partition"`
	Epoch     Epoch     `json:"epoch"` // the one it was computed from
	Primary   NodeID    `json:"primary"`
	Replicas  []Replica `json:"replicas"` // the in-sync set asked for, sorted by node
	Proposer  NodeID    `json:"proposer"` // the node that asks, or "" for the coordinators themselves
	Reason    string    `json:"reason"`   // in words, for people
}
