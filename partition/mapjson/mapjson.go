// Package mapjson has the JSON that nodes and coordinators alike give for the
// map, so that callers need not care whom they ask. It is pure: values in,
// values out; its callers serve them.
package mapjson

import (
	"github.com/holdfast-io/holdfast/partition"
)

// Partition is one partition in /v1/partitions and /v1/partitions/{id}.
type Partition struct {
	ID       partition.ID       `json:"id"`
	Epoch    partition.Epoch    `json:"epoch"`
	Primary  partition.NodeID   `json:"primary"`
	Replicas []partition.NodeID `json:"replicas"`
	Learners []partition.NodeID `json:"learners"`
	Eligible []partition.NodeID `json:"eligible"`
}

// Partitions is the answer to /v1/partitions.
type Partitions struct {
	Version    uint64      `json:"version"`
	Partitions []Partition `json:"partitions"`
}

// Node is one node in /v1/nodes.
type Node struct {
	ID          partition.NodeID  `json:"id"`
	Store       partition.StoreID `json:"store_id"`
	Incarnation uint64            `json:"incarnation"`
	StartID     partition.StartID `json:"start_id"`
	Zone        string            `json:"zone"`
	HTTPAddr    string            `json:"http_addr"`
	PeerAddr    string            `json:"peer_addr"`
	State       string            `json:"state"` // in words: "live", "suspected"
	Duty        partition.Duty    `json:"duty"`
	Weight      uint32            `json:"weight"`
	// CorruptReplicas are the partitions whose copies there do not hold what they
	// should, by the node's last heartbeat; coordinators alone know them.
	CorruptReplicas []partition.ID `json:"corrupt_replicas,omitempty"`
}

// Nodes is the answer to /v1/nodes.
type Nodes struct {
	Version uint64 `json:"version"`
	Nodes   []Node `json:"nodes"`
}

// Coordinator is one coordinator in /v1/cluster.
type Coordinator struct {
	ID       string `json:"id"`
	PeerAddr string `json:"peer_addr"`
	HTTPAddr string `json:"http_addr"` // "" if it is not known here
	State    string `json:"state"`     // in words: "leader", "follower", "unreachable"
}

// Cluster is the answer to /v1/cluster.
type Cluster struct {
	ID           string             `json:"id"`
	Application  string             `json:"application"`
	Version      uint64             `json:"version"`
	Leader       string             `json:"leader"`
	Coordinators []Coordinator      `json:"coordinators"`
	Settings     partition.Settings `json:"settings"`
	// Strangers call the coordinator asked, and belong to another cluster. Only
	// coordinators tell.
	Strangers []Stranger `json:"strangers,omitempty"`
	// Barred is why coordinators with empty directories found no cluster.
	Barred string `json:"barred,omitempty"`
}

// Stranger is a node of another cluster; a follower of its map has no name.
type Stranger struct {
	Node      string `json:"node"`
	ClusterID string `json:"cluster_id"`
}

// Location is the answer to /v1/locate/{key}.
type Location struct {
	Key
	Partition partition.ID       `json:"partition"`
	Epoch     partition.Epoch    `json:"epoch"`
	Primary   partition.NodeID   `json:"primary"`
	Replicas  []partition.NodeID `json:"replicas"`
}

// PartitionOf describes one configuration.
func PartitionOf(c *partition.Configuration) Partition {
	return Partition{
		ID: c.ID, Epoch: c.Epoch, Primary: c.Primary, Replicas: partition.Nodes(c.Replicas),
		Learners: partition.Nodes(c.Learners), Eligible: partition.Nodes(c.Eligible),
	}
}

// PartitionsOf describes all partitions; the list is empty before placement.
func PartitionsOf(m *partition.Map) Partitions {
	out := Partitions{Version: m.Version, Partitions: make([]Partition, len(m.Partitions))}
	for i := range m.Partitions {
		out.Partitions[i] = PartitionOf(&m.Partitions[i])
	}
	return out
}

// NodesOf describes all nodes; state says in words how each is.
func NodesOf(m *partition.Map, state func(partition.NodeID) string) Nodes {
	out := Nodes{Version: m.Version, Nodes: make([]Node, len(m.Nodes))}
	for i, n := range m.Nodes {
		out.Nodes[i] = Node{
			ID: n.ID, Store: n.Store, Incarnation: n.Incarnation, StartID: n.StartID, Zone: n.Zone,
			HTTPAddr: n.HTTPAddr, PeerAddr: n.PeerAddr, State: state(n.ID), Duty: n.Duty, Weight: n.Weight,
		}
	}
	return out
}

// ClusterOf describes the cluster; leader is "" while there is none.
func ClusterOf(m *partition.Map, leader string, coordinators []Coordinator) Cluster {
	if coordinators == nil {
		coordinators = []Coordinator{}
	}
	return Cluster{
		ID: m.ClusterID, Application: m.Application, Version: m.Version,
		Leader: leader, Coordinators: coordinators, Settings: m.Settings,
	}
}

// Locate finds a key's partition; false before the first placement.
func Locate(m *partition.Map, key []byte) (Location, bool) {
	if !m.Placed() {
		return Location{}, false
	}
	c := &m.Partitions[partition.Of(key, len(m.Partitions))]
	return Location{
		Key: KeyOf(key), Partition: c.ID, Epoch: c.Epoch,
		Primary: c.Primary, Replicas: partition.Nodes(c.Replicas),
	}, true
}
