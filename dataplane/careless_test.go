package dataplane

import (
	"errors"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/dataplane/wire"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// The only replica in sync is damaged: the node keeps it, and serves on. To end would
// take away what is left of the partition.
func TestANodeKeepsADamagedCopyThatNobodyElseHas(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, 8)
	c.putAll(0, 20, "n1")
	n := c.nodes["n1"]
	for id := range partition.ID(3) {
		n.damaged(id, storage.ErrDamaged)
	}
	// They are looked at one after another: all but the last have been by then.
	eventually(t, "the damaged copies are looked at", func() bool { return len(n.suspects) == 0 })
	select {
	case <-n.Again():
		t.Error("the node asks to be started again without the only copies")
	default:
	}
	c.checkAll(0, 20, "n1")
}

// What the map says of the throttle is what snapshots are sent at from then on.
func TestTheMapsThrottleReachesSnapshots(t *testing.T) {
	t.Parallel()
	n := newCluster(t, 1, 8).nodes["n1"]
	eventually(t, "the node follows the map", func() bool { return n.actedOn().Version >= n.joined.latest().Version })
	for _, bytes := range []int64{123 << 10, 0, 456 << 10} {
		m := *n.joined.latest()
		m.Rebalance.Throttle = bytes
		n.follow(&m)
		if limit := n.sending.rate.limiter.Limit(); bytes > 0 && int64(limit) != bytes || bytes == 0 && limit < 1e18 {
			t.Errorf("a throttle of %d: snapshots go at %v", bytes, limit)
		}
	}
}

// After a pause of any length a throttled node sends no more at once than its
// throttle's next moment.
func TestAPauseDoesNotMakeABurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newThrottle()
		r.set(1 << 20)
		<-time.After(time.Hour)
		began := time.Now()
		if err := r.wait(t.Context(), 10<<20); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 9*time.Second {
			t.Errorf("10 MiB at 1 MiB a second take %v", took)
		}
	})
}

// A stream's snapshot is closed when the stream ends, whole or not: an open one keeps
// its file from using space again.
func TestTheSnapshotOfAStreamIsClosed(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"whole": false, "broken off": true} {
		s := newStreamed(t)
		var opened atomic.Pointer[storage.Snapshot]
		open := s.sending.open
		s.sending.open = func(id partition.ID) (*storage.Snapshot, error) {
			snapshot, err := open(id)
			opened.Store(snapshot)
			if fails && err == nil {
				s.receiving.wants = func(_ replica.SnapshotMeta, done func(bool)) { done(false) }
			}
			return snapshot, err
		}
		s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1})
		if err := <-s.ended; (err != nil) != fails {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := opened.Load().Next(); !errors.Is(err, storage.ErrClosed) && (fails || !errors.Is(err, io.EOF)) {
			t.Errorf("%s: the snapshot can still be read: %v", name, err)
		}
	}
}

// receivingOf is a receiver of snapshots of eight partitions, which writes nothing.
func receivingOf(t *testing.T) *receiving {
	t.Helper()
	return &receiving{
		packer: testPacker(t),
		create: func(partition.ID, uint32, entry.Position) (*storage.Receiver, error) { return &storage.Receiver{}, nil },
		wants:  func(_ replica.SnapshotMeta, done func(bool)) { done(true) },
		begins: func(_ replica.SnapshotMeta, done func(bool)) { done(true) },
		kept:   func(replica.SnapshotMeta) {},
		count:  func(string) {}, partitions: 8, open: map[receivingKey]*receivedStream{},
	}
}

// send hands over a part of partition id's snapshot, and waits for the answer.
func (r *receiving) send(from *session, kind part, id partition.ID) error {
	b := appendPart(nil, kind, stream{partition: id, id: 1})
	if kind == partBegin {
		b = appendMeta(b, &replica.SnapshotMeta{Applied: entry.Position{Sequence: 9, Epoch: 1}})
	}
	answer := make(chan []byte, 1)
	r.request(from, b, func(reply []byte) { answer <- slices.Clone(reply) })
	return decodePartAnswer(<-answer)
}

func TestSnapshotsAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	r := receivingOf(t)
	r.partitions = receiversAtOnce + 8
	defer r.close()
	from := &session{}
	for id := range partition.ID(receiversAtOnce) {
		if err := r.send(from, partBegin, id); err != nil {
			t.Fatalf("snapshot %d of %d: %v", id+1, receiversAtOnce, err)
		}
	}
	if err := r.send(from, partBegin, receiversAtOnce); !errors.Is(err, errPart) {
		t.Errorf("one too many: %v", err)
	}
	if err := r.send(from, partGivenUp, 3); !errors.Is(err, errPart) {
		t.Errorf("given up: %v", err)
	}
	eventually(t, "there is room for another", func() bool { return r.send(from, partBegin, receiversAtOnce) == nil })
}

// A copy that cannot be put in its place leaves the one before in use: the replica is
// told, and goes on with it.
func TestAReplicaGoesOnWhoseNewCopyIsRefused(t *testing.T) {
	t.Parallel()
	r := receivingOf(t)
	defer r.close()
	kept := make(chan partition.ID, 1)
	r.kept = func(meta replica.SnapshotMeta) { kept <- meta.Partition }
	from := &session{}
	if err := r.send(from, partBegin, 5); err != nil {
		t.Fatal(err)
	}
	if err := r.send(from, partEnd, 5); !errors.Is(err, errPart) {
		t.Errorf("a snapshot without content: %v", err)
	}
	select {
	case id := <-kept:
		if id != 5 {
			t.Errorf("%v goes on", id)
		}
	default:
		t.Error("the replica waits for a copy that never comes")
	}
}

// Whatever ends a stream on the sender's side, the receiver hears of it.
func TestTheReceiverHearsThatAStreamIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	var kinds []part
	link := s.sending.link
	s.sending.link = func(to partition.NodeID) transport.Link { return listening{link(to), &kinds} }
	o := &outgoing{order: replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1}}
	if err := o.begin(s.sending.open); err != nil {
		t.Fatal(err)
	}
	s.sending.done(o, storage.ErrDamaged)
	<-s.ended
	if !slices.Contains(kinds, partGivenUp) {
		t.Errorf("the receiver got parts %v", kinds)
	}
}

// listening notes the parts that go through a link.
type listening struct {
	transport.Link
	kinds *[]part
}

func (l listening) Call(body []byte, _ time.Duration, done func([]byte, error)) {
	*l.kinds = append(*l.kinds, part(body[0]))
	done(partAnswer(nil), nil)
}

// What other nodes send is taken for the cluster's partitions only, and a beacon only
// where its lease is no longer than the one that this node holds promises for.
func TestWhatOtherNodesMaySend(t *testing.T) {
	t.Parallel()
	const partitions = 8
	n := newCluster(t, 1, partitions).nodes["n1"]
	h := &inboundHandler{node: n}
	lease := n.cfg.Timings.Lease
	for name, c := range map[string]struct {
		m    replica.Message
		want bool
	}{
		"the last partition":       {replica.Message{Kind: replica.Append, Partition: partitions - 1}, true},
		"the one after the last":   {replica.Message{Kind: replica.Append, Partition: partitions}, false},
		"the last lane":            {replica.Message{Kind: replica.BeaconMessage, Partition: Lanes - 1, Beacon: &replica.Beacon{Lease: lease}}, true},
		"the one after that":       {replica.Message{Kind: replica.BeaconMessage, Partition: Lanes, Beacon: &replica.Beacon{Lease: lease}}, false},
		"a lease that is too long": {replica.Message{Kind: replica.BeaconMessage, Beacon: &replica.Beacon{Lease: lease + 1}}, false},
	} {
		if got := h.accepts(&session{}, &c.m); got != c.want {
			t.Errorf("%s: accepted %t", name, got)
		}
	}
	refused := false
	op := replica.Operation{Action: replica.Put, Partition: partitions, Key: []byte("k")}
	h.operation(wire.AppendOperation(nil, &op, time.Minute), func(reply []byte) { refused = len(reply) == 0 })
	if !refused {
		t.Error("an operation of the partition after the last is taken")
	}
	r := receivingOf(t)
	defer r.close()
	if err := r.send(&session{}, partBegin, partitions-1); err != nil {
		t.Errorf("a snapshot of the last partition: %v", err)
	}
	if err := r.send(&session{}, partBegin, partitions); !errors.Is(err, errPart) {
		t.Errorf("a snapshot of the one after the last: %v", err)
	}
}

// A leaving node waits to be let go where enough others stay in sync, and where not
// only if somebody is about to join them.
func TestWhereALeavingNodeWaits(t *testing.T) {
	t.Parallel()
	n := newCluster(t, 1, 8).nodes["n1"]
	in := func(nodes ...partition.NodeID) *partition.Configuration {
		c := &partition.Configuration{}
		for _, id := range nodes {
			c.Replicas = append(c.Replicas, partition.Replica{Node: id, Store: 1})
		}
		return c
	}
	for _, c := range []struct {
		replicas  *partition.Configuration
		minInSync int
		want      bool
	}{
		{in("n1", "n2", "n3"), 2, true},
		{in("n1", "n2"), 2, false},
		{in("n1", "n2"), 1, true},
		{in("n1"), 1, false},
		{in("n1"), 0, false},
	} {
		if got := n.mayLeave(c.replicas, c.minInSync); got != c.want {
			t.Errorf("in sync are %v, want %d: waits %t", partition.Nodes(c.replicas.Replicas), c.minInSync, got)
		}
	}
}

// A copy that is dropped is corrupt no more.
func TestADroppedCopyIsNoLongerDamaged(t *testing.T) {
	t.Parallel()
	n := newCluster(t, 1, 8).nodes["n1"]
	n.damage.add(3)
	n.damage.add(4)
	n.drop(3)
	if found := n.corruptCopies(); len(found) != 1 || found[0].Partition != 4 {
		t.Errorf("corrupt are %v", found)
	}
}
