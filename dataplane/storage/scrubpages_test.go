package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
)

// newestMeta returns the number of the meta page that counts, and what it says.
func (b *busyFile) newestMeta() (which int, m boltMeta) {
	b.t.Helper()
	r := pageReader{file: b.f.handle, pageSize: pageSize}
	for n := range uint64(2) {
		one, ok, err := r.meta(n)
		if err != nil {
			b.t.Fatal(err)
		}
		if ok && one.number > m.number {
			which, m = int(n), one
		}
	}
	return which, m
}

// bbolt's own pages: what is not a bucket's is checked in each pass too.
func TestDamageToPagesOfBboltsOwnIsFound(t *testing.T) {
	t.Parallel()
	for what, do := range map[string]func(b *busyFile){
		"newest meta page": func(b *busyFile) {
			which, _ := b.newestMeta()
			b.writeBytes(which, pageHeaderSize+20, b.page(which)[pageHeaderSize+20]^1)
		},
		"older meta page": func(b *busyFile) {
			which, _ := b.newestMeta()
			b.writeBytes(1-which, pageHeaderSize+20, b.page(1 - which)[pageHeaderSize+20]^1)
		},
		"list of buckets": func(b *busyFile) {
			_, m := b.newestMeta()
			b.writeBytes(int(m.root), 16, b.page(int(m.root))[16]^2)
		},
		"root of a bucket": func(b *busyFile) {
			_, m := b.newestMeta()
			at, keySize, _ := elementOf(b.page(int(m.root)), 0)
			b.writeBytes(int(m.root), at+keySize, b.page(int(m.root))[at+keySize]^3)
		},
		"meta record": func(b *busyFile) {
			_, m := b.newestMeta()
			page := b.page(int(m.root))
			for n := range int(binary.NativeEndian.Uint16(page[10:])) {
				if at, keySize, size := elementOf(page, n); string(page[at:at+keySize]) == "meta" {
					b.writeBytes(int(m.root), at+keySize+size-9, page[at+keySize+size-9]^1)
				}
			}
		},
		"freelist has a page that is in use": func(b *busyFile) {
			_, m := b.newestMeta()
			_, leaves := b.layout(keyedKind)
			b.writeFreelist(m, uint64(leaves[3]))
		},
		"freelist has a page twice": func(b *busyFile) {
			_, m := b.newestMeta()
			b.writeFreelist(m, binary.NativeEndian.Uint64(b.page(int(m.freelist))[pageHeaderSize:]))
		},
		"freelist has itself": func(b *busyFile) {
			_, m := b.newestMeta()
			b.writeFreelist(m, m.freelist)
		},
		"freelist is no freelist": func(b *busyFile) {
			_, m := b.newestMeta()
			b.writeBytes(int(m.freelist), 8, leafPage)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newBusyFile(t, small(t.TempDir()), 1)
			for range 5 {
				b.flushSome()
			}
			if _, err := b.pass(func(int) {}); err != nil {
				t.Fatal(err)
			}
			do(b)
			s := b.scrubber()
			told := s.faultsAfter(b)
			if told != 1 {
				t.Errorf("the scrub has found %v faults", told)
			}
		})
	}
}

// The same damage as beside flushes, to a file at rest, which is read in large pieces.
func TestDamageInEachBucketIsFoundAtRest(t *testing.T) {
	t.Parallel()
	b := newBusyFile(t, small(t.TempDir()), 1)
	whole := readFile(t, b.f.path)
	for kind := range bucketKinds {
		branches, leaves := b.layout(kind)
		for _, h := range harms {
			id := leaves[len(leaves)/2]
			if h.branch {
				id = branches[0]
			}
			h.do(b, kind, b.page(id), id)
			if err := scrubFault(b.f, 1, b.table.generation); !errors.Is(err, ErrDamaged) {
				t.Errorf("bucket %s, %s: %v", bucketNames[kind], h.what, err)
			}
			b.writeBytes(id, 0, whole[id*pageSize:][:pageSize]...)
		}
	}
	if err := scrubFault(b.f, 1, b.table.generation); err != nil {
		t.Error(err)
	}
}

// writeFreelist puts a page into the freelist, in order, in place of one.
func (b *busyFile) writeFreelist(m boltMeta, id uint64) {
	b.t.Helper()
	page := b.page(int(m.freelist))
	count := int(binary.NativeEndian.Uint16(page[10:]))
	var ids []uint64
	for n := range count {
		ids = append(ids, binary.NativeEndian.Uint64(page[pageHeaderSize+8*n:]))
	}
	if count < 3 {
		b.t.Fatalf("only %d pages are free", count)
	}
	at := 1
	for at < count-1 && ids[at] < id {
		at++
	}
	b.writeBytes(int(m.freelist), pageHeaderSize+8*at, binary.NativeEndian.AppendUint64(nil, id)...)
}

// faultsAfter does a pass over the partition and returns how many faults it counted.
func (s *scrubber) faultsAfter(b *busyFile) float64 {
	b.t.Helper()
	before := counted(b.t, b.registry, "holdfast_storage_scrub_faults_total")
	if !s.file(1) {
		b.t.Fatal("it ended")
	}
	return counted(b.t, b.registry, "holdfast_storage_scrub_faults_total") - before
}

// bbolt goes on with the state before the last flush where the newest meta page is
// damaged. No read may: what was flushed is not in memory any more.
func TestNoReadGoesBackBehindTheLastFlush(t *testing.T) {
	t.Parallel()
	b := newBusyFile(t, small(t.TempDir()), 1)
	for n := range 2 { // either page may be the newest
		b.write(1, b.table, put(b.next, "key", fmt.Sprint("value ", n)))
		b.next++
		if err := b.flush(1, false); err != nil {
			t.Fatal(err)
		}
		which, _ := b.newestMeta()
		whole := b.page(which)[pageHeaderSize+48]
		b.writeBytes(which, pageHeaderSize+48, whole^0x80)
		if value, _, found, err := b.table.Get([]byte("key")); !errors.Is(err, ErrDamaged) {
			t.Errorf("flush %d: %q, found %v, %v", n, value, found, err)
		}
		if s, err := b.Snapshot(1); !errors.Is(err, ErrDamaged) {
			t.Errorf("flush %d: a snapshot at %v, %v", n, s, err)
		}
		b.writeBytes(which, pageHeaderSize+48, whole)
		wantValue(t, b.table, "key", fmt.Sprint("value ", n), b.next-1)
	}
}

// A flush that meets damage reports it as a read does, and ends nothing: the node
// goes on with what is in memory until it can do without the copy.
func TestFlushThatMeetsDamageReportsIt(t *testing.T) {
	t.Parallel()
	b := newBusyFile(t, small(t.TempDir()), 1)
	_, leaves := b.layout(dataKind)
	page := b.page(leaves[3])
	at, keySize, _ := elementOf(page, 1)
	key := string(page[at : at+keySize])
	b.writeBytes(leaves[3], at+keySize, page[at+keySize]^1)
	e := b.entry(key, 0)
	b.write(1, b.table, e)
	if err := b.flush(1, false); !errors.Is(err, ErrDamaged) {
		t.Fatalf("the flush says %v", err)
	}
	if b.damaged.Load() == 0 {
		t.Error("nobody is told")
	}
	wantValue(t, b.table, key, string(e.Value), e.Sequence)
	if _, unflushed := b.table.size(); unflushed {
		t.Error("it would be flushed again and again")
	}
}

// A file whose write transaction bbolt cannot end any more closes all the same: the
// node starts again without that copy, in the same process.
func TestFileThatIsStuckCloses(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{false, true} { // is it stuck before it is closed, or meanwhile
		path := filepath.Join(t.TempDir(), "00001.db")
		f, err := openFile(path)
		if err != nil {
			t.Fatal(err)
		}
		tx, err := f.db.Begin(true)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		if first {
			close(f.stuck)
		}
		go func() { done <- f.Close() }()
		if !first {
			close(f.stuck)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		again, err := openFile(path)
		if err != nil {
			t.Fatalf("it is still locked: %v", err)
		}
		if err := errors.Join(again.Close(), tx.Rollback()); err != nil { // tx for what still waits
			t.Error(err)
		}
	}
}
