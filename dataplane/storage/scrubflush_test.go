package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
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

// Nothing is reported of a file that is whole, whatever flushes change during a
// pass over it; and the sums at the end are those of all that is in it.
func TestScrubOfAFileThatIsFlushedRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			b := newBusyFile(t, small(t.TempDir()), seed)
			for range 3 {
				steps, err := b.pass(func(int) {
					for range b.random.IntN(3) {
						b.flushSome()
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if steps < 80 {
					t.Fatalf("%d steps: that is no pass between flushes", steps)
				}
			}
		})
	}
}

// The same with flushes that come while a transaction of the scrub is open.
func TestScrubBesideFlushesRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	b := newBusyFile(t, small(t.TempDir()), 1)
	var flushing sync.WaitGroup
	var end atomic.Bool
	flushing.Go(func() {
		for !end.Load() {
			b.flushSome()
		}
	})
	for range 10 {
		if _, err := b.pass(func(int) {}); err != nil {
			t.Error(err)
		}
	}
	end.Store(true)
	flushing.Wait()
}

// A transaction of the scrub sees a flush, or it does not, whenever the flush is
// announced, committed and done: its changes count once.
func TestSweepTakesEachFlushInOnce(t *testing.T) {
	t.Parallel()
	// Of a bucket with the keys a, c and e, "a" and "c" have been read. A flush
	// changes each by a power of ten.
	changes := []sumChange{{dataKind, "a", 1}, {dataKind, "c", 10}, {dataKind, "e", 100}, {expiryKind, "a", 1000}}
	type event = func(s *sweep, a *announced) *announced
	announce := func(s *sweep, _ *announced) *announced { return s.announce(2, changes) }
	done := func(_ *sweep, a *announced) *announced { a.done(); return a }
	begin := func(number int) event {
		return func(s *sweep, a *announced) *announced {
			if _, _, err := s.begin(func() (int, error) { return number, nil }); err != nil {
				t.Error(err)
			}
			return a
		}
	}
	end := func(to string) event {
		return func(s *sweep, a *announced) *announced {
			s.end(place{dataKind, to}, s.sums)
			return a
		}
	}
	for what, c := range map[string]struct {
		events []event
		want   uint64 // of what the transactions did not see of the flush
	}{
		"between two transactions":                {[]event{announce, done, begin(2), end("z")}, 11},
		"not seen by one that is open":            {[]event{begin(1), announce, done, end("f"), begin(2), end("z")}, 111},
		"seen by one that begins before its end":  {[]event{announce, begin(2), end("f"), done, begin(2), end("z")}, 11},
		"seen, and done while it is open":         {[]event{announce, begin(2), done, end("f")}, 11},
		"not seen, and done after it":             {[]event{announce, begin(1), end("f"), done}, 111},
		"not seen, and only the next one sees it": {[]event{announce, begin(1), end("f"), begin(2), done, end("z")}, 111},
	} {
		s := &sweep{at: place{dataKind, "d"}}
		var a *announced
		for _, e := range c.events {
			a = e(s, a)
		}
		if s.sums[dataKind] != c.want || s.sums[expiryKind] != 0 || len(s.pending) != 0 {
			t.Errorf("%s: %d, want %d; %d pending", what, s.sums[dataKind], c.want, len(s.pending))
		}
	}
}

// harm damages a page of a bucket.
type harm struct {
	what   string
	branch bool // which kind of page
	do     func(b *busyFile, kind bucketKind, page []byte, id int)
}

var harms = []harm{
	{"a bit of a key", false, func(b *busyFile, _ bucketKind, page []byte, id int) {
		at, keySize, _ := elementOf(page, 1)
		b.writeBytes(id, at+keySize-1, page[at+keySize-1]^1)
	}},
	{"a bit of what is stored", false, func(b *busyFile, _ bucketKind, page []byte, id int) {
		at, keySize, size := elementOf(page, 1)
		b.writeBytes(id, at+keySize+size-1, page[at+keySize+size-1]^1)
	}},
	{"an item is hidden", false, func(b *busyFile, _ bucketKind, page []byte, id int) {
		binary.NativeEndian.PutUint16(page[10:], binary.NativeEndian.Uint16(page[10:])-1)
		b.writeBytes(id, 10, page[10:12]...)
	}},
	{"an item is whole, and is not what was written last", false, func(b *busyFile, kind bucketKind, page []byte, id int) {
		at, keySize, size := elementOf(page, 1)
		b.writeBytes(id, at, otherItem(b.t, kind, page[at:at+keySize], page[at+keySize:][:size])...)
	}},
	{"a page stands in the place of another", false, func(b *busyFile, kind bucketKind, page []byte, id int) {
		_, leaves := b.layout(kind)
		other := b.page(leaves[0])
		b.writeBytes(id, 8, other[8:]...) // with the right number
	}},
	{"a key of a branch", true, func(b *busyFile, _ bucketKind, page []byte, id int) {
		at := pageHeaderSize + pageElementSize
		at += int(binary.NativeEndian.Uint32(page[at:]))
		b.writeBytes(id, at, page[at]^0x40)
	}},
	{"a branch has its children in a wrong order", true, func(b *busyFile, _ bucketKind, page []byte, id int) {
		one, two := pageHeaderSize+pageElementSize+8, pageHeaderSize+2*pageElementSize+8
		b.writeBytes(id, one, page[two:two+8]...)
		b.writeBytes(id, two, page[one:one+8]...)
	}},
	{"a child of a branch is hidden", true, func(b *busyFile, _ bucketKind, page []byte, id int) {
		binary.NativeEndian.PutUint16(page[10:], binary.NativeEndian.Uint16(page[10:])-1)
		b.writeBytes(id, 10, page[10:12]...)
	}},
}

// elementOf returns where an item of a leaf is, and the sizes of its key and of
// what is stored.
func elementOf(page []byte, n int) (at, keySize, size int) {
	h := pageHeaderSize + n*pageElementSize
	return h + int(binary.NativeEndian.Uint32(page[h+4:])), int(binary.NativeEndian.Uint32(page[h+8:])), int(binary.NativeEndian.Uint32(page[h+12:]))
}

// otherItem returns another item of the same size, with a good checksum.
func otherItem(t *testing.T, kind bucketKind, key, stored []byte) []byte {
	t.Helper()
	var other []byte
	switch kind {
	case dataKind:
		value, v, err := storedValue(key, stored)
		if err != nil {
			t.Fatal(err)
		}
		v.Sequence ^= 1
		other = append(append([]byte(nil), key...), appendValue(nil, key, v, value)...)
	case expiryKind, keyedAgeKind:
		k := append([]byte(nil), key...)
		k[7] ^= 1
		other = append(k, indexValue(k)...)
	case sessionKind:
		origin, s, err := storedSession(key, stored)
		if err != nil {
			t.Fatal(err)
		}
		s.results[0].result.Existed = !s.results[0].result.Existed
		other = append(append([]byte(nil), key...), s.encode(origin)...)
	case keyedKind:
		id, m, err := decodeKeyed(key, stored)
		if err != nil {
			t.Fatal(err)
		}
		m.Fingerprint[0] ^= 1
		other = append(append([]byte(nil), key...), encodeKeyed(id, &m)...)
	}
	if len(other) != len(key)+len(stored) {
		t.Fatalf("an item of %d bytes in place of %d", len(other), len(key)+len(stored))
	}
	return other
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

// Damage to any page of any bucket is found within one pass, though the file is
// flushed before each step of it.
func TestDamageInEachBucketIsFoundWhileFlushesRun(t *testing.T) {
	t.Parallel()
	for kind := range bucketKinds {
		for _, h := range harms {
			t.Run(fmt.Sprintf("%s %s", bucketNames[kind], h.what), func(t *testing.T) {
				t.Parallel()
				b := newBusyFile(t, small(t.TempDir()), uint64(kind))
				plant, planted := 1+b.random.IntN(80), false
				_, err := b.pass(func(step int) {
					if !planted {
						b.flushSome()
					} else {
						b.mayFail()
					}
					if step == plant {
						planted = true
						branches, leaves := b.layout(kind)
						pages := leaves
						if h.branch {
							pages = branches
						}
						id := pages[len(pages)/2]
						h.do(b, kind, b.page(id), id)
					}
				})
				if !planted {
					t.Fatal("the pass was too short for damage to be planted")
				}
				if err == nil { // it was planted behind the pass that was under way
					_, err = b.pass(func(int) { b.mayFail() })
				}
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), b.f.path) {
					t.Errorf("the scrub says %v", err)
				}
			})
		}
	}
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
