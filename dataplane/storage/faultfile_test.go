package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"go.etcd.io/bbolt"
)

// faultyDB makes the operations of an open bbolt file fail. bbolt has no such
// door: this goes in by reflection, and panics where a later bbolt has other
// fields.
type faultyDB struct {
	file    **os.File
	writeAt *func([]byte, int64) (int, error)
	path    string
}

func newFaultyDB(db *bbolt.DB) faultyDB {
	v := reflect.ValueOf(db).Elem()
	return faultyDB{
		file:    (**os.File)(unsafe.Pointer(v.FieldByName("file").UnsafeAddr())),
		writeAt: (*func([]byte, int64) (int, error))(unsafe.Pointer(v.FieldByName("ops").FieldByName("writeAt").UnsafeAddr())),
		path:    db.Path(),
	}
}

// failWrite makes the n-th write from now on fail, after half of it was done,
// and all after it; it counts the writes.
func (f faultyDB) failWrite(n int, fault error, count *int) {
	write := *f.writeAt
	*f.writeAt = func(b []byte, offset int64) (int, error) {
		if *count++; *count < n {
			return write(b, offset)
		}
		done, err := write(b[:len(b)/2], offset)
		return done, errors.Join(fault, err)
	}
}

// failSync makes the sync after the n-th write fail, and all after it.
func (f faultyDB) failSync(t *testing.T, n int) {
	write, count := *f.writeAt, 0
	*f.writeAt = func(b []byte, offset int64) (int, error) {
		done, err := write(b, offset)
		if count++; count == n {
			f.swap(t, os.DevNull) // which cannot be synced
		}
		return done, err
	}
}

// swap has bbolt sync and grow another file in place of its own.
func (f faultyDB) swap(t *testing.T, path string) {
	other, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	real := *f.file
	*f.file = other
	t.Cleanup(func() { _ = real.Close() })
}

// errAny is an error of which bbolt tells only the text.
var errAny = errors.New("any error")

// TestFailureAtEveryOperationOfAFlush lets each write of a flush fail in turn,
// for want of room and by an error of the disk, and each sync. The flush says so
// and leaves the live engine right; what is then on the disk, with any of the
// pages that were not synced, has everything in it, the log included.
func TestFailureAtEveryOperationOfAFlush(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	writes := 0
	flushFails(t, random, 100, "nothing fails", func(faultyDB) {}, nil, &writes)
	if writes < 4 {
		t.Fatalf("a flush has %d writes", writes)
	}
	for n := 1; n <= writes; n++ {
		for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
			count := 0
			flushFails(t, random, 100, fmt.Sprintf("write %d of %d: %v", n, writes, fault), func(f faultyDB) { f.failWrite(n, fault, &count) }, fault, nil)
		}
	}
	// The pages' sync follows the last write but one, the meta page's the last.
	for _, n := range []int{writes - 1, writes} {
		flushFails(t, random, 100, fmt.Sprintf("sync after write %d", n), func(f faultyDB) { f.failSync(t, n) }, syscall.EINVAL, nil)
	}
	// A file open to be read cannot grow.
	flushFails(t, random, 30_000, "growing", func(f faultyDB) { f.swap(t, f.path) }, errAny, nil)
}

// flushFails writes a file, then lets a fault happen to the next flush.
func flushFails(t *testing.T, random *rand.Rand, size int, what string, harm func(faultyDB), want error, writes *int) {
	t.Helper()
	o := small(t.TempDir())
	o.Logger = slog.New(slog.DiscardHandler)
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{Engine: e, t: t, dir: o.Dir}
	table := f.OpenPartition(1, lineage)
	f.write(1, table, puts(1, 40, 100)...)
	if err := f.flush(1, true); err != nil {
		t.Fatal(err)
	}
	path := partitionPath(filepath.Join(f.dir, "partitions"), 1)
	before := readFile(t, path)
	f.write(1, table, puts(41, 120, size)...)
	db := newFaultyDB(table.file.db)
	if writes != nil {
		db.failWrite(1<<30, nil, writes)
	}
	harm(db)
	if err := f.flush(1, true); !errors.Is(err, want) && (err == nil || want != errAny) {
		t.Errorf("%s: flush: %v, want %v", what, err, want)
	}
	check := func(what string, table *Table) {
		t.Helper()
		for _, p := range append(puts(1, 40, 100), puts(41, 120, size)...) {
			wantValue(t, table, string(p.Key), string(p.Value), p.Sequence)
		}
		if t.Failed() {
			t.Fatal(what)
		}
	}
	check(what+": the live engine", table)

	left := image(t, f.dir)
	after := readFile(t, path)
	_ = f.Close() // what is broken may say so
	pages, meta := changedPages(before, after)
	flipped := string(before[meta*pageSize:(meta+1)*pageSize]) != string(after[meta*pageSize:(meta+1)*pageSize])
	for _, share := range []int{0, 5, 10} { // of ten: what a loss of power leaves of what was not synced
		some := chosen(len(pages), func(int) bool { return flipped || random.IntN(10) < share })
		have := pick(pages, some)
		if flipped && (want == nil || share > 0) { // it is written only once the pages are synced
			have = append(have, meta)
		}
		if err := os.WriteFile(partitionPath(filepath.Join(left, "partitions"), 1), mixed(before, after, have), 0o600); err != nil {
			t.Fatal(err)
		}
		reopened := open(t, small(left))
		r, ok := reopened.find(1)
		if !ok {
			t.Fatalf("%s, %v of the pages %v: the copy is lost: %v", what, have, pages, reopened.Lost())
		}
		r.State.Apply(r.Log)
		check(fmt.Sprintf("%s, %v of the pages %v", what, have, pages), r.State)
		reopened.close()
	}
}
