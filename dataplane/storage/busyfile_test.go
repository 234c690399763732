package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// busyFile is a partition with something in each bucket, at rest on many pages,
// and a few keys that flushes change all the time.
type busyFile struct {
	*fixture
	table    *Table
	f        *file
	random   *rand.Rand
	next     uint64
	registry *prometheus.Registry
	damaged  atomic.Int64 // how often that was told
}

func newBusyFile(t *testing.T, o Options, seed uint64) *busyFile {
	t.Helper()
	b := &busyFile{random: rand.New(rand.NewPCG(seed, 0)), next: 1, registry: prometheus.NewRegistry()}
	if o.Registerer == nil {
		o.Registerer, o.Damaged, o.ScrubRate = b.registry, func(partition.ID, error) { b.damaged.Add(1) }, -1
	}
	b.fixture = open(t, o)
	f := b.fixture
	b.table = f.OpenPartition(1, lineage)
	var entries []*entry.Entry
	for i := range 600 {
		entries = append(entries, b.entry(fmt.Sprintf("%c-%04d", "ak"[i%2], i), entry.LoggedTime(1_000_000+i*i%601)))
	}
	f.write(1, b.table, entries...)
	if err := f.flush(1, true); err != nil {
		t.Fatal(err)
	}
	b.f = b.table.inUse()
	return b
}

// entry returns the next entry: a value with an end, of a request of one of many
// nodes, with an idempotency key.
func (b *busyFile) entry(key string, ends entry.LoggedTime) *entry.Entry {
	e := put(b.next, key, fmt.Sprintf("%0*d", 60+b.random.IntN(80), b.next))
	e.Logged, e.Expires = entry.LoggedTime(b.next), ends
	e.Request.Origin, e.LowestOpen = partition.StoreID(b.next*0x9e3779b97f4a7c15>>32%300+1), 0
	e.Idempotency = &entry.Idempotency{Fingerprint: entry.Fingerprint{byte(b.next)}}
	binary.BigEndian.PutUint64(e.Idempotency.ID[:], b.next*0x9e3779b97f4a7c15)
	b.next++
	return e
}

// large returns some entries of keys that are not changed later.
func (b *busyFile) large(n int) (entries []*entry.Entry) {
	for i := range n {
		e := b.entry(fmt.Sprintf("q-%06d", i), 0)
		e.Value = fmt.Appendf(nil, "%01000d", i)
		entries = append(entries, e)
	}
	return entries
}

// flushSome changes some of a few keys, in the middle and at both ends of all
// others, and flushes that.
func (b *busyFile) flushSome() {
	b.t.Helper()
	var entries []*entry.Entry
	for range 1 + b.random.IntN(4) {
		e := b.entry(fmt.Sprintf("%c-%02d", "0cmz"[b.random.IntN(4)], b.random.IntN(30)), 0)
		switch b.random.IntN(4) {
		case 0:
			e.Kind, e.Value = entry.Delete, nil
		case 1:
			e.Expires = entry.LoggedTime(b.random.IntN(2_000_000) + 1)
		}
		entries = append(entries, e)
	}
	b.write(1, b.table, entries...)
	if err := b.flush(1, false); err != nil {
		b.t.Fatal(err)
	}
}

// scrub begins a pass over the file that reads one leaf in each step.
func (b *busyFile) scrub() *fileScrub {
	b.t.Helper()
	slot, _, err := b.current(1)
	if err != nil {
		b.t.Fatal(err)
	}
	slot.files.Lock()
	s, err := b.f.scrub(1, b.table.generation)
	slot.files.Unlock()
	if err != nil {
		b.t.Fatal(err)
	}
	s.batch = 1
	return s
}

// pass scrubs the file, and calls between before each of its steps.
func (b *busyFile) pass(between func(step int)) (steps int, err error) {
	s := b.scrub()
	defer s.close()
	for done := false; !done; steps++ {
		between(steps)
		if _, done, err = s.step(); err != nil {
			return steps, err
		}
	}
	return steps, nil
}

// mayFail is flushSome where the file may be so damaged that nothing can be
// written to it.
func (b *busyFile) mayFail() {
	e := b.entry("m-00", 0)
	b.write(1, b.table, e)
	if err := b.flush(1, false); err != nil && !errors.Is(err, ErrDamaged) {
		b.t.Error(err)
	}
}

func (b *busyFile) page(id int) []byte {
	b.t.Helper()
	return readFile(b.t, b.f.path)[id*pageSize:][:pageSize]
}

func (b *busyFile) writeBytes(id, at int, content ...byte) {
	b.t.Helper()
	file, err := os.OpenFile(b.f.path, os.O_RDWR, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(content, int64(id*pageSize+at)); err != nil {
		b.t.Fatal(err)
	}
}

// layout returns the numbers of a bucket's pages.
func (b *busyFile) layout(kind bucketKind) (branches, leaves []int) {
	b.t.Helper()
	r := pageReader{file: b.f.handle, pageSize: pageSize}
	var newest boltMeta
	for which := range uint64(2) {
		m, ok, err := r.meta(which)
		if err != nil || !ok {
			b.t.Fatal(ok, err)
		}
		if m.number > newest.number {
			newest = m
		}
	}
	r.end = newest.end
	buckets, err := r.buckets(newest.root)
	if err != nil {
		b.t.Fatal(err)
	}
	var visit func(id uint64, level int)
	visit = func(id uint64, level int) {
		p, err := r.at(id, level, 1)
		if err != nil {
			b.t.Fatal(err)
		}
		if p.flags == leafPage {
			leaves = append(leaves, int(id))
			return
		}
		branches = append(branches, int(id))
		all, err := p.elements(pageSize)
		if err != nil {
			b.t.Fatal(err)
		}
		for _, e := range all {
			visit(e.child, level+1)
		}
	}
	visit(buckets[string(bucketNames[kind])].root, 0)
	return branches, leaves
}
