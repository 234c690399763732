package partition

import (
	"fmt"
	"slices"
	"strconv"
)

// ID is a partition's number, from 0 to the number of partitions less one.
type ID uint32

// String names the partition as text and the library do: "partition-5".
func (id ID) String() string { return "partition-" + strconv.FormatUint(uint64(id), 10) }

// Epoch is a partition's configuration number. Every change of the partition
// raises it by one; zero is "no configuration yet".
type Epoch uint64

// NodeID is the name an operator gave a node: "n1".
type NodeID string

// StoreID is the random identity of a disk's contents, written once into a
// data directory. Zero is "none". Its text is 16 hexadecimal digits.
type StoreID uint64

// String returns the 16 hexadecimal digits.
func (s StoreID) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// MarshalText implements encoding.TextMarshaler.
func (s StoreID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *StoreID) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 16, 64)
	if err != nil || len(text) != 16 {
		return fmt.Errorf("store ID %q: want 16 hexadecimal digits", text)
	}
	*s = StoreID(v)
	return nil
}

// Replica is one copy of a partition: a node, and the disk contents that the
// map vouches for there.
type Replica struct {
	Node  NodeID  `json:"node"`
	Store StoreID `json:"store_id"`
}

// Configuration is what the map says of one partition. It is immutable once it
// is in a map.
type Configuration struct {
	ID      ID     `json:"id"`
	Epoch   Epoch  `json:"epoch"`
	Lineage uint32 `json:"lineage"` // random; new at creation and at an unsafe recovery; part of every ETag
	Primary NodeID `json:"primary"` // "" while the partition waits for one
	// Replicas are in sync, the primary among them: each has every acknowledged
	// write on disk. Sorted by node, as all four lists are.
	Replicas []Replica `json:"replicas"`
	// Learners are placed here but not in sync: they are brought up to date.
	Learners []Replica `json:"learners"`
	// Eligible were removed when the in-sync set fell below min-in-sync; no
	// write was acknowledged since (rule C5). An eligible copy is a learner too.
	Eligible []Replica `json:"eligible"`
	// Unavailable were the last in sync when their disk was lost.
	Unavailable []Replica `json:"unavailable"`
}

// Clone returns a copy of the configuration, nil of nil. A pointer into a map keeps
// the configurations of all its partitions in memory, so whoever keeps one longer
// than the map keeps a clone. The lists are shared, for nobody writes to them.
func (c *Configuration) Clone() *Configuration {
	if c == nil {
		return nil
	}
	own := *c
	return &own
}

// Find returns the replica on the node in a list of replicas.
func Find(list []Replica, node NodeID) (Replica, bool) {
	for _, r := range list {
		if r.Node == node {
			return r, true
		}
	}
	return Replica{}, false
}

// Nodes returns the nodes of a list of replicas, in its order.
func Nodes(list []Replica) []NodeID {
	out := make([]NodeID, len(list))
	for i, r := range list {
		out[i] = r.Node
	}
	return out
}

// InSync reports whether the node is one of the in-sync replicas.
func (c *Configuration) InSync(node NodeID) bool {
	_, ok := Find(c.Replicas, node)
	return ok
}

// IsLearner reports whether the node is a learner.
func (c *Configuration) IsLearner(node NodeID) bool {
	_, ok := Find(c.Learners, node)
	return ok
}

// Lists reports whether the configuration names the node in any role.
func (c *Configuration) Lists(node NodeID) bool {
	return slices.ContainsFunc([][]Replica{c.Replicas, c.Learners, c.Eligible, c.Unavailable},
		func(list []Replica) bool { _, ok := Find(list, node); return ok })
}

// Node is what the map says of a data node.
type Node struct {
	ID          NodeID  `json:"id"`
	Store       StoreID `json:"store_id"`
	Incarnation uint64  `json:"incarnation"` // counts the starts of the node's process on this store
	StartID     StartID `json:"start_id"`    // of the start with that incarnation
	Zone        string  `json:"zone"`
	HTTPAddr    string  `json:"http_addr"`
	PeerAddr    string  `json:"peer_addr"`
	// Services are the addresses of a library user's own services, by name.
	Services map[string]string `json:"services,omitempty"`
	Weight   uint32            `json:"weight"` // share of replicas relative to other nodes; 1 unless set
	Duty     Duty              `json:"duty"`
}

// Clone returns a copy of the node, nil of nil, which keeps no map's nodes in
// memory: see Configuration.Clone. The services are shared.
func (n *Node) Clone() *Node {
	if n == nil {
		return nil
	}
	own := *n
	return &own
}

// Settings are fixed when the cluster is created.
type Settings struct {
	Partitions        int `json:"partitions"`
	ReplicationFactor int `json:"replication_factor"`
	MinInSync         int `json:"min_in_sync"`
	ExpectNodes       int `json:"expect_nodes"`
}

// Rebalance is how moves are made. An operator changes it at any time.
type Rebalance struct {
	Paused bool `json:"paused"` // no move begins; those under way end
	// AtOnce is how many moves are under way at most; AtOnceEach how many that
	// one node has to do with.
	AtOnce     int `json:"at_once"`
	AtOnceEach int `json:"at_once_each"`
	// Throttle is how much each node sends for moves at most, in bytes a second;
	// 0: as much as it can.
	Throttle int64 `json:"throttle"`
}

// What Rebalance may hold at most.
const (
	MostAtOnce   = 1<<31 - 1
	MostThrottle = 1<<62 - 1
)

// DefaultRebalance is how moves are made until somebody says otherwise. The throttle
// is what keeps clients' p99 under twice its quiet value while a node joins a cluster
// of 1 GiB of small values, all on two processors and one disk: at 16 MiB a second it
// was up to three times as much (`make elastic`).
var DefaultRebalance = Rebalance{AtOnce: 16, AtOnceEach: 4, Throttle: 8 << 20}

// Map is the authoritative partition map at one version: an immutable value.
type Map struct {
	Version     uint64          `json:"version"` // rises with every change: the Raft index, or more after a recovery of the map
	History     uint64          `json:"history"` // see Stamp
	ClusterID   string          `json:"cluster_id"`
	Application string          `json:"application"`
	Settings    Settings        `json:"settings"`
	Nodes       []Node          `json:"nodes"`      // sorted by ID
	Partitions  []Configuration `json:"partitions"` // indexed by ID; empty before the first placement
	Rebalance   Rebalance       `json:"rebalance"`
	Moves       []Move          `json:"moves"` // under way: at most one of a partition, sorted by it
}
