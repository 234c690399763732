package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/wire"
	"github.com/holdfast-io/holdfast/partition"
)

// class says what a connection between two nodes carries.
type class uint8

const (
	// classData carries the messages of replication, and forwarded operations
	// with their answers: one frame to write and to read where there would be
	// two (10 % of the processor time of a put at 64 in flight).
	classData class = iota + 1
	// classBeacon carries beacons and their answers: leases hang on them, so
	// they wait behind nothing else.
	classBeacon
	// classBulk carries snapshots.
	classBulk
	lastClass = classBulk
)

// String names the class in errors and metrics.
func (c class) String() string {
	switch c {
	case classData:
		return "data"
	case classBeacon:
		return "beacon"
	case classBulk:
		return "bulk"
	}
	return fmt.Sprintf("class %d", uint8(c))
}

// hello is what a node says of itself on a new connection. The dialing side
// also says what the connection is for and whom it means to reach; with a
// listener's hello these fields are zero.
type hello struct {
	Cluster     string
	Self        replica.Peer
	Class       class
	Target      partition.NodeID
	TargetStore partition.StoreID
}

// helloVersion is that of the layout below. Behind it go the version of the
// wire format and the number of lanes, which both sides must share.
const helloVersion = 2

var (
	errHello    = errors.New("malformed hello")
	errVersion  = errors.New("speaks another version")
	errCluster  = errors.New("of another cluster")
	errNotYet   = errors.New("has not joined its cluster yet")
	errStranger = errors.New("not in the map")
	errOldBoot  = errors.New("not the start of its node that counts")
	errMistaken = errors.New("means to reach another node")
)

func (h *hello) append(b []byte) []byte {
	b = append(b, helloVersion, wire.Version, Lanes, byte(h.Class))
	b = appendString(b, h.Cluster)
	b = appendString(b, string(h.Self.Node))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Self.Store))
	b = binary.BigEndian.AppendUint64(b, h.Self.Start.Incarnation)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Self.Start.ID))
	b = appendString(b, string(h.Target))
	return binary.BigEndian.AppendUint64(b, uint64(h.TargetStore))
}

func decodeHello(b []byte) (h hello, err error) {
	if len(b) < 4 {
		return h, errHello
	}
	if b[0] != helloVersion || b[1] != wire.Version || b[2] != Lanes {
		return h, fmt.Errorf("%w: hello %d, wire %d, lanes %d; here %d, %d, %d: run the same version of holdfast on all nodes",
			errVersion, b[0], b[1], b[2], helloVersion, wire.Version, Lanes)
	}
	d := reader{rest: b[4:]}
	h = hello{Class: class(b[3])}
	h.Cluster = d.string()
	h.Self.Node = partition.NodeID(d.string())
	h.Self.Store = partition.StoreID(d.uint64())
	h.Self.Start = partition.Start{Incarnation: d.uint64(), ID: partition.StartID(d.uint64())}
	h.Target = partition.NodeID(d.string())
	h.TargetStore = partition.StoreID(d.uint64())
	if d.failed || len(d.rest) > 0 || h.Self.Node == "" || h.Class > lastClass {
		return hello{}, errHello
	}
	return h, nil
}

func appendString(b []byte, s string) []byte {
	return append(append(b, byte(len(s))), s...) // names are at most maxName bytes
}

// reader takes fields from the front of a message; failed is set by the first
// that is not there, and stays.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) take(n int) []byte {
	if r.failed || len(r.rest) < n {
		r.failed, r.rest = true, nil
		return make([]byte, n)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }
func (r *reader) string() string { return string(r.take(int(r.byte()))) }

// welcome judges the hello of a node that dialed us: is it of our cluster, does
// the map know it with that disk, is it not an earlier boot, does it mean us? A
// boot newer than the map's is welcome: its registration is on the way here.
func welcome(h hello, cluster string, self replica.Peer, m *partition.Map) error {
	if cluster == "" || m == nil {
		return fmt.Errorf("%s %w", self.Node, errNotYet)
	}
	if h.Class == 0 {
		return errHello
	}
	if err := known(h, cluster, m); err != nil {
		return err
	}
	if h.Target != self.Node || h.TargetStore != self.Store {
		return fmt.Errorf("%w: %s with store %v; this is %s with store %v",
			errMistaken, h.Target, h.TargetStore, self.Node, self.Store)
	}
	return nil
}

// reached judges the hello of a listener that was dialed for target.
func reached(h hello, cluster string, target *partition.Node, m *partition.Map) error {
	if h.Cluster == "" {
		return fmt.Errorf("%s %w", h.Self.Node, errNotYet)
	}
	if h.Self.Node != target.ID || h.Self.Store != target.Store {
		return fmt.Errorf("%w: %s answers with store %v, want %s with store %v",
			errMistaken, h.Self.Node, h.Self.Store, target.ID, target.Store)
	}
	return known(h, cluster, m)
}

func known(h hello, cluster string, m *partition.Map) error {
	if h.Cluster != cluster {
		return fmt.Errorf("%s is %w: %s, want %s", h.Self.Node, errCluster, h.Cluster, cluster)
	}
	n, ok := m.Node(h.Self.Node)
	if !ok || n.Store != h.Self.Store {
		return fmt.Errorf("%s with store %v is %w", h.Self.Node, h.Self.Store, errStranger)
	}
	if h.Self.Start.SupersededBy(n.Start()) {
		return fmt.Errorf("%s, start %v, is %w: the map has %v", h.Self.Node, h.Self.Start, errOldBoot, n.Start())
	}
	return nil
}
