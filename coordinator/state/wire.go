package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// errTruncated is what a reader fails with when its input ends too early.
var errTruncated = errors.New("input ends too early")

// writer appends values: numbers as uvarints, strings and lists behind their
// lengths.
type writer struct{ b []byte }

func (w *writer) uint(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *writer) text(s string)  { w.uint(uint64(len(s))); w.b = append(w.b, s...) }
func (w *writer) fixed(v uint64) { w.b = binary.LittleEndian.AppendUint64(w.b, v) }

func (w *writer) bool(v bool) {
	if v {
		w.b = append(w.b, 1)
	} else {
		w.b = append(w.b, 0)
	}
}

func (w *writer) replica(r partition.Replica) {
	w.text(string(r.Node))
	w.fixed(uint64(r.Store))
}

func (w *writer) start(s partition.Start) {
	w.uint(s.Incarnation)
	w.fixed(uint64(s.ID))
}

func (w *writer) configuration(c partition.Configuration) {
	w.uint(uint64(c.ID))
	w.uint(uint64(c.Epoch))
	w.uint(uint64(c.Lineage))
	w.text(string(c.Primary))
	for _, l := range [][]partition.Replica{c.Replicas, c.Learners, c.Eligible, c.Unavailable} {
		writeList(w, l, w.replica)
	}
}

func (w *writer) change(c partition.Change) {
	w.uint(uint64(c.Partition))
	w.uint(uint64(c.Epoch))
	w.text(string(c.Primary))
	writeList(w, c.Replicas, w.replica)
	writeList(w, c.Added, w.added)
	w.text(string(c.Proposer))
	w.text(c.Reason)
}

func (w *writer) added(a partition.Added) {
	w.text(string(a.Node))
	w.start(a.Start)
}

func (w *writer) node(n partition.Node) {
	w.text(string(n.ID))
	w.fixed(uint64(n.Store))
	w.start(n.Start())
	w.text(n.Zone)
	w.text(n.HTTPAddr)
	w.text(n.PeerAddr)
	w.uint(uint64(n.Weight))
	w.uint(uint64(n.Duty))
	writeList(w, slices.Sorted(maps.Keys(n.Services)), func(name string) {
		w.text(name)
		w.text(n.Services[name])
	})
}

func (w *writer) move(v partition.Move) {
	w.uint(uint64(v.Partition))
	w.text(string(v.From))
	w.text(string(v.To))
	w.text(string(v.Primary))
	w.text(v.Reason)
	w.uint(v.Since)
}

func (w *writer) rebalance(r partition.Rebalance) {
	w.bool(r.Paused)
	w.uint(uint64(r.AtOnce))
	w.uint(uint64(r.AtOnceEach))
	w.uint(uint64(r.Throttle))
}

func (w *writer) rebalanceChange(c partition.RebalanceChange) {
	writeOptional(w, c.Paused, w.bool)
	writeOptional(w, c.AtOnce, func(v int) { w.uint(uint64(v)) })
	writeOptional(w, c.AtOnceEach, func(v int) { w.uint(uint64(v)) })
	writeOptional(w, c.Throttle, func(v int64) { w.uint(uint64(v)) })
}

func writeOptional[T any](w *writer, v *T, one func(T)) {
	w.bool(v != nil)
	if v != nil {
		one(*v)
	}
}

func (w *writer) voter(v Voter) {
	w.text(v.Coordinator)
	w.fixed(uint64(v.Store))
	w.uint(v.Since)
}

func (w *writer) settings(s partition.Settings) {
	for _, v := range []int{s.Partitions, s.ReplicationFactor, s.MinInSync, s.ExpectNodes} {
		w.uint(uint64(v))
	}
}

func writeList[T any](w *writer, list []T, each func(T)) {
	w.uint(uint64(len(list)))
	for _, v := range list {
		each(v)
	}
}

// reader takes values from the front of its input. After the first error all
// values are zero; whoever uses it looks at err in the end.
type reader struct {
	b     []byte
	err   error
	texts map[string]string // one copy of every string: node names come again and again
}

func newReader(b []byte) *reader { return &reader{b: b, texts: map[string]string{}} }

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errTruncated)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// below reads a number that must not be above limit.
func (r *reader) below(limit uint64) uint64 {
	v := r.uint()
	if v > limit {
		r.fail(fmt.Errorf("number %d is above %d", v, limit))
		return 0
	}
	return v
}

func (r *reader) uint32() uint32 { return uint32(r.below(1<<32 - 1)) }
func (r *reader) int() int       { return int(r.below(1<<31 - 1)) }
func (r *reader) bool() bool     { return r.below(1) == 1 }

func (r *reader) fixed() uint64 {
	if len(r.b) < 8 {
		r.fail(errTruncated)
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

func (r *reader) text() string {
	n := r.uint()
	if n > uint64(len(r.b)) {
		r.fail(errTruncated)
		return ""
	}
	raw := r.b[:n]
	r.b = r.b[n:]
	if s, seen := r.texts[string(raw)]; seen {
		return s
	}
	s := string(raw)
	r.texts[s] = s
	return s
}

func (r *reader) nodeID() partition.NodeID { return partition.NodeID(r.text()) }

func (r *reader) replica() partition.Replica {
	return partition.Replica{Node: r.nodeID(), Store: partition.StoreID(r.fixed())}
}

func (r *reader) replicas() []partition.Replica { return readList(r, 9, r.replica) }

func (r *reader) configuration() partition.Configuration {
	return partition.Configuration{
		ID: partition.ID(r.uint32()), Epoch: partition.Epoch(r.uint()), Lineage: r.uint32(), Primary: r.nodeID(),
		Replicas: r.replicas(), Learners: r.replicas(), Eligible: r.replicas(), Unavailable: r.replicas(),
	}
}

func (r *reader) change() partition.Change {
	return partition.Change{
		Partition: partition.ID(r.uint32()), Epoch: partition.Epoch(r.uint()), Primary: r.nodeID(),
		Replicas: r.replicas(), Added: readList(r, 10, r.added), Proposer: r.nodeID(), Reason: r.text(),
	}
}

func (r *reader) added() partition.Added { return partition.Added{Node: r.nodeID(), Start: r.start()} }

func (r *reader) start() partition.Start {
	return partition.Start{Incarnation: r.uint(), ID: partition.StartID(r.fixed())}
}

func (r *reader) node() partition.Node {
	id, store, start := r.nodeID(), partition.StoreID(r.fixed()), r.start()
	n := partition.Node{
		ID: id, Store: store, Incarnation: start.Incarnation, StartID: start.ID,
		Zone: r.text(), HTTPAddr: r.text(), PeerAddr: r.text(), Weight: r.uint32(), Duty: r.duty(),
	}
	services := readList(r, 2, func() [2]string { return [2]string{r.text(), r.text()} })
	for _, s := range services {
		if n.Services == nil {
			n.Services = make(map[string]string, len(services))
		}
		n.Services[s[0]] = s[1]
	}
	return n
}

func (r *reader) move() partition.Move {
	return partition.Move{
		Partition: partition.ID(r.uint32()), From: r.nodeID(), To: r.nodeID(), Primary: r.nodeID(), Reason: r.text(), Since: r.uint(),
	}
}

func (r *reader) rebalance() partition.Rebalance {
	return partition.Rebalance{Paused: r.bool(), AtOnce: r.int(), AtOnceEach: r.int(), Throttle: int64(r.below(partition.MostThrottle))}
}

func (r *reader) duty() partition.Duty { return partition.Duty(r.below(255)) }

func (r *reader) rebalanceChange() partition.RebalanceChange {
	return partition.RebalanceChange{
		Paused: readOptional(r, r.bool), AtOnce: readOptional(r, r.int), AtOnceEach: readOptional(r, r.int),
		Throttle: readOptional(r, func() int64 { return int64(r.below(partition.MostThrottle)) }),
	}
}

func readOptional[T any](r *reader, one func() T) *T {
	if !r.bool() {
		return nil
	}
	v := one()
	return &v
}

func (r *reader) voter() Voter {
	return Voter{Coordinator: r.text(), Store: partition.StoreID(r.fixed()), Since: r.uint()}
}

func (r *reader) settings() partition.Settings {
	return partition.Settings{Partitions: r.int(), ReplicationFactor: r.int(), MinInSync: r.int(), ExpectNodes: r.int()}
}

// readList reads a list of elements that take at least size bytes each, so that
// a wrong length cannot ask for more memory than the input is worth.
func readList[T any](r *reader, size int, each func() T) []T {
	n := r.uint()
	if n == 0 || r.err != nil {
		return nil
	}
	if n > uint64(len(r.b)/size) {
		r.fail(errTruncated)
		return nil
	}
	list := make([]T, 0, n)
	for range n {
		list = append(list, each())
	}
	return list
}
