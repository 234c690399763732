package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gofrs/flock"
	"go.etcd.io/bbolt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func chunks(t *testing.T, e *Engine, id partition.ID) (*Snapshot, [][]byte) {
	t.Helper()
	s, err := e.Snapshot(id)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return s, out
}

func receive(t *testing.T, e *Engine, id partition.ID, s *Snapshot, chunks [][]byte) *Table {
	t.Helper()
	r, err := e.Receive(id, s.Lineage, s.Applied)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		if err := r.Write(c); err != nil {
			t.Fatal(err)
		}
	}
	table, err := r.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSnapshotRoundTrip(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	source := from.OpenPartition(9, lineage)
	entries := append(puts(1, 200, 5000), remove(201, "key-000007"))
	from.write(9, source, entries...)

	old := to.OpenPartition(9, lineage)
	to.sync(entry.Record{Partition: 9, Lineage: lineage, Adopted: 2, Configuration: adoptedIn(9, 2)})
	to.write(9, old, put(1, "stale", "x"))
	if err := to.flush(9, false); err != nil {
		t.Fatal(err)
	}
	to.sync(records(9, put(2, "stale too", "x"))...)

	s, all := chunks(t, from.Engine, 9)
	if s.Applied.Sequence != 201 || s.Lineage != lineage || s.Estimated < 1_000_000 || len(all) < 4 {
		t.Fatalf("snapshot %+v of %d chunks", s, len(all))
	}
	for _, c := range all {
		if len(c) > chunkTarget+10_000 {
			t.Errorf("chunk of %d bytes", len(c))
		}
	}
	check := func(table *Table) {
		t.Helper()
		for _, e := range entries[:200] {
			if e.Sequence != 7 {
				wantValue(t, table, string(e.Key), string(e.Value), e.Sequence)
			}
		}
		wantAbsent(t, table, "key-000007")
		wantAbsent(t, table, "stale")
		if result, applied, _ := table.Request(entries[200].Request); !applied || result != (entry.Result{Sequence: 201, Existed: true}) {
			t.Errorf("remembered %v %v", result, applied)
		}
		at, hash := table.Applied()
		wantAt, wantHash := source.Applied()
		if at != wantAt || hash != wantHash {
			t.Errorf("applied %v %x, want %v %x", at, hash, wantAt, wantHash)
		}
	}
	table := receive(t, to.Engine, 9, s, all)
	check(table)
	to.write(9, table, put(202, "after", "y"))
	to.close()
	again := open(t, small(to.dir))
	r := again.recovered(9)
	if r.Applied.Sequence != 201 || r.Adopted != 2 || !reflect.DeepEqual(r.Configuration, adoptedIn(9, 2)) || len(r.Log) != 1 {
		t.Errorf("recovered %+v", r)
	}
	check(r.State)
	names, err := os.ReadDir(again.partitionsDir())
	if err != nil || len(names) != 1 {
		t.Errorf("files %v, %v", names, err)
	}
}

func TestEmptySnapshot(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	from.OpenPartition(1, lineage)
	s, all := chunks(t, from.Engine, 1)
	table := receive(t, to.Engine, 1, s, all)
	wantAbsent(t, table, "x")
	if _, err := from.Snapshot(2); !errors.Is(err, ErrNoCopy) {
		t.Errorf("snapshot of nothing: %v", err)
	}
}

// A snapshot is as of one sequence, whatever is written and flushed meanwhile.
func TestSnapshotStandsStill(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	source := from.OpenPartition(1, lineage)
	from.write(1, source, puts(1, 300, 3000)...)
	s, err := from.Snapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for n := uint64(301); ; n++ {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
		from.write(1, source, put(n, fmt.Sprintf("key-%06d", n-300), "changed"))
		if err := from.flush(1, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	table := receive(t, to.Engine, 1, s, all)
	for _, e := range puts(1, 300, 3000) {
		wantValue(t, table, string(e.Key), string(e.Value), e.Sequence)
	}
}

func TestBadSnapshotsAreRefused(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	source := from.OpenPartition(1, lineage)
	from.write(1, source, puts(1, 200, 3000)...)
	s, all := chunks(t, from.Engine, 1)
	table := to.OpenPartition(1, lineage)
	to.write(1, table, put(1, "stays", "x"))
	flipped := append([]byte(nil), all[1]...)
	flipped[1000] ^= 1
	for what, sent := range map[string][][]byte{
		"nothing":       {},
		"no end":        all[:len(all)-1],
		"no start":      all[1:],
		"hole":          append([][]byte{all[0]}, all[2:]...),
		"twice":         append([][]byte{all[0], all[0]}, all[1:]...),
		"more":          append(append([][]byte{}, all...), all[len(all)-1]),
		"flipped":       append([][]byte{all[0], flipped}, all[2:]...),
		"short chunk":   append([][]byte{all[0], all[1][:100]}, all[2:]...),
		"empty chunk":   append([][]byte{{}}, all...),
		"wrong lineage": all,
	} {
		l := s.Lineage
		if what == "wrong lineage" {
			l++
		}
		r, err := to.Receive(1, l, s.Applied)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range sent {
			err = errors.Join(err, r.Write(c))
		}
		if _, commit := r.Commit(); !errors.Is(errors.Join(err, commit), ErrDamaged) || commit == nil {
			t.Errorf("%s: write %v, commit %v", what, err, commit)
		}
	}
	wantValue(t, table, "stays", "x", 1)
	to.write(1, table, put(2, "goes on", "y"))
	to.close()
	to = open(t, small(to.dir))
	if r := to.recovered(1); len(r.Log) != 2 {
		t.Errorf("recovered %+v", r)
	}
}

// Chunks of two snapshots, each whole by itself, do not make one: neither where
// values differ nor where what is remembered of requests does.
func TestMixedSnapshotsAreRefused(t *testing.T) {
	t.Parallel()
	at := entry.Position{Sequence: 2, Epoch: 1}
	of := func(value string, sequence uint64) (chunks [][]byte) {
		remembered := &session{boot: 1, results: []remembered{{counter: 3, result: entry.Result{Sequence: sequence}}}}
		items := []chunkItem{
			{kind: itemHeader, header: snapshotHeader{partition: 1, lineage: lineage, applied: at}},
			{kind: itemValue, key: []byte("k"), stored: appendValue(nil, []byte("k"), entry.Version{Sequence: 1}, []byte(value))},
			{kind: itemSession, origin: 7, stored: remembered.encode(7)},
			{kind: itemEnd},
		}
		for n := range items {
			items[3].totals.add(&items[n])
			chunks = append(chunks, seal(appendItem(beginChunk(uint64(n), 0), &items[n]), 0))
		}
		return chunks
	}
	to := open(t, small(t.TempDir()))
	take := func(chunks [][]byte) error {
		r, err := to.Receive(1, lineage, at)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range chunks {
			err = errors.Join(err, r.Write(c))
		}
		_, commit := r.Commit()
		return errors.Join(err, commit)
	}
	one := of("one", 1)
	for what, other := range map[string][][]byte{"values": of("two", 1), "requests": of("one", 2)} {
		for n := 1; n < len(one); n++ {
			mixed := slices.Clone(one)
			mixed[n] = other[n]
			if differs := !bytes.Equal(one[n], other[n]); differs != errors.Is(take(mixed), ErrDamaged) {
				t.Errorf("%s: chunk %d is of another: it differs %v", what, n, differs)
			}
		}
		if err := take(other); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A value that comes twice is no part of any snapshot, though the totals count it
// twice too, and neither is one that is out of order: what a copy has would depend on
// which came last.
func TestASnapshotsValuesComeOnceAndInOrder(t *testing.T) {
	t.Parallel()
	at := entry.Position{Sequence: 2, Epoch: 1}
	to := open(t, small(t.TempDir()))
	take := func(keys ...string) error {
		end := chunkItem{kind: itemEnd}
		r, err := to.Receive(1, lineage, at)
		if err != nil {
			t.Fatal(err)
		}
		write := func(i *chunkItem) {
			end.totals.add(i)
			err = errors.Join(err, r.Write(seal(appendItem(beginChunk(r.number, 0), i), 0)))
		}
		write(&chunkItem{kind: itemHeader, header: snapshotHeader{partition: 1, lineage: lineage, applied: at}})
		for _, k := range keys {
			write(&chunkItem{kind: itemValue, key: []byte(k), stored: appendValue(nil, []byte(k), entry.Version{Sequence: 1}, []byte("v"))})
		}
		write(&end)
		_, commit := r.Commit()
		return errors.Join(err, commit)
	}
	for _, keys := range [][]string{{"k", "k"}, {"l", "k"}} {
		if err := take(keys...); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", keys, err)
		}
	}
	if err := take("k", "l"); err != nil {
		t.Error(err)
	}
}

// A snapshot in which a key is missing that the file should have, as where a page
// is damaged, is not made: the damage would be a copy's that passes for a good one.
func TestNoSnapshotIsMadeOfAFileThatHidesAKey(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	var told error
	o.Damaged = func(_ partition.ID, err error) { told = err }
	from := open(t, o)
	table := from.OpenPartition(1, lineage)
	from.write(1, table, puts(1, 100, 3000)...)
	if err := from.flush(1, true); err != nil {
		t.Fatal(err)
	}
	if err := table.file.db.Update(func(tx *bbolt.Tx) error {
		c := tx.Bucket(dataBucket).Cursor()
		c.First()
		return c.Delete()
	}); err != nil {
		t.Fatal(err)
	}
	s, err := from.Snapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = s.Next()
	}
	if !errors.Is(err, ErrDamaged) || !errors.Is(told, ErrDamaged) {
		t.Errorf("read %v, told %v", err, told)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestReceiverIsSuperseded(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	from.write(1, from.OpenPartition(1, lineage), puts(1, 10, 10)...)
	s, all := chunks(t, from.Engine, 1)
	r, err := to.Receive(1, s.Lineage, s.Applied)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if err := r.Write(c); err != nil {
			t.Fatal(err)
		}
	}
	table := to.OpenPartition(1, lineage)
	to.write(1, table, put(1, "newer", "x"))
	if _, err := r.Commit(); err == nil {
		t.Error("a snapshot took the place of a newer copy")
	}
	wantValue(t, table, "newer", "x", 1)
	aborted, err := to.Receive(1, s.Lineage, s.Applied)
	if err != nil {
		t.Fatal(err)
	}
	aborted.Abort()
	names, err := os.ReadDir(to.partitionsDir())
	if err != nil || len(names) > 0 {
		t.Errorf("files %v, %v", names, err)
	}
}

// A crash comes between the switch in the log and the renaming of the file, or
// before the switch.
func TestCrashDuringInstall(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	source := from.OpenPartition(1, lineage)
	from.write(1, source, puts(1, 50, 100)...)
	s, all := chunks(t, from.Engine, 1)
	old := to.OpenPartition(1, lineage)
	to.write(1, old, puts(1, 5, 10)...)
	if err := to.flush(1, false); err != nil {
		t.Fatal(err)
	}
	before := image(t, to.dir)
	receive(t, to.Engine, 1, s, all)
	after := image(t, to.dir)
	name := partitionPath("", 1)
	received := filepath.Base(receivingPath("", 1, 2))
	moveFile(t, filepath.Join(after, "partitions", name), filepath.Join(after, "partitions", received))
	half := image(t, after)
	copyFile(t, filepath.Join(before, "partitions", name), filepath.Join(after, "partitions", name))
	copyFile(t, filepath.Join(after, "partitions", received), filepath.Join(before, "partitions", received))
	for what, c := range map[string]struct {
		dir     string
		applied uint64
	}{
		"switched, old file there": {after, 50},
		"switched, old file gone":  {half, 50},
		"not switched":             {before, 5},
	} {
		f := open(t, small(c.dir))
		if r := f.recovered(1); r.Applied.Sequence != c.applied {
			t.Errorf("%s: applied %v", what, r.Applied)
		}
		names, err := os.ReadDir(f.partitionsDir())
		if err != nil || len(names) != 1 || !strings.HasSuffix(names[0].Name(), ".db") {
			t.Errorf("%s: files %v, %v", what, names, err)
		}
		f.close()
	}
	lost := image(t, after)
	removeFile(t, "", filepath.Join(lost, "partitions", name))
	f := open(t, small(lost))
	if len(f.Lost()) != 1 {
		t.Errorf("lost %v", f.Lost())
	}
}

func moveFile(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// Dropping a copy ends the snapshots of it, and waits for nobody.
func TestDropDuringSnapshot(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	f.write(1, f.OpenPartition(1, lineage), puts(1, 200, 3000)...)
	s, err := f.Snapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != nil {
		t.Fatal(err)
	}
	if err := f.Drop(1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the snapshot ends", func() bool {
		_, err := s.Next()
		return errors.Is(err, ErrClosed)
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A node is killed while it takes in a snapshot, and loses the copy that it has: the
// next snapshot, whose number may be the same, begins with nothing of the first.
func TestNothingIsLeftOfASnapshotThatNeverCame(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	source := from.OpenPartition(9, lineage)
	from.write(9, source, puts(1, 400, 5000)...)
	s, all := chunks(t, from.Engine, 9)
	old := to.OpenPartition(9, lineage)
	to.write(9, old, put(1, "stale", "x"))
	if err := to.flush(9, false); err != nil {
		t.Fatal(err)
	}
	to.sync(records(9, put(2, "more", "x"))...) // the flush is in the log by then
	for _, whole := range []bool{false, true} { // the first gives up: its number is in no log
		r, err := to.Receive(9, s.Lineage, s.Applied)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Abort()
		for _, c := range all[:len(all)-1] {
			if err := r.Write(c); err != nil && whole {
				t.Fatal(err)
			}
		}
		if !whole {
			r.Abort()
		}
	}
	dir := image(t, to.dir)
	damaged := partitionPath(filepath.Join(dir, "partitions"), 9)
	if err := os.WriteFile(damaged, make([]byte, 16384), 0o644); err != nil {
		t.Fatal(err)
	}
	again := open(t, small(dir))
	if len(again.Lost()) != 1 {
		t.Fatalf("lost: %v", again.Lost())
	}
	left, err := filepath.Glob(filepath.Join(dir, "partitions", "*"))
	if err != nil || !slices.Equal(left, []string{damaged}) {
		t.Errorf("left: %v, %v", left, err)
	}
	again.OpenPartition(9, lineage)
	// One that could not be removed is not taken for the beginning of the next.
	next := receivingPath(again.partitionsDir(), 9, again.slots[9].generation+1)
	stale, err := filepath.Glob(filepath.Join(to.dir, "partitions", "*.receiving"))
	if err != nil || len(stale) != 1 {
		t.Fatalf("%v, %v", stale, err)
	}
	copyFile(t, stale[0], next)
	from.write(9, source, remove(401, "key-000007"), remove(402, "key-000300"))
	s, all = chunks(t, from.Engine, 9)
	table := receive(t, again.Engine, 9, s, all)
	wantAbsent(t, table, "key-000007")
	wantAbsent(t, table, "key-000300")
}

// A received file whose switch is in the log is the copy, before it has its name too:
// where it does not open for a reason that passes, it is there at the next start.
func TestAReceivedFileThatDoesNotOpenStays(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	source := from.OpenPartition(1, lineage)
	from.write(1, source, puts(1, 50, 100)...)
	s, all := chunks(t, from.Engine, 1)
	receive(t, to.Engine, 1, s, all)
	dir := image(t, to.dir)
	received := receivingPath(filepath.Join(dir, "partitions"), 1, 1)
	if err := os.Rename(partitionPath(filepath.Join(dir, "partitions"), 1), received); err != nil {
		t.Fatal(err)
	}
	held := flock.New(received)
	if locked, err := held.TryLock(); err != nil || !locked {
		t.Fatal(locked, err)
	}
	f := open(t, small(dir))
	if len(f.Lost()) != 1 {
		t.Errorf("lost: %v", f.Lost())
	}
	f.close()
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	f = open(t, small(dir))
	if r, ok := f.find(1); !ok || r.Applied.Sequence != 50 {
		t.Errorf("lost: %v", f.Lost())
	}
}

// Nothing may be in the file that a snapshot is written to.
func TestASnapshotIsWrittenToAnEmptyFile(t *testing.T) {
	t.Parallel()
	from, to := open(t, small(t.TempDir())), open(t, small(t.TempDir()))
	from.write(1, from.OpenPartition(1, lineage), puts(1, 50, 100)...)
	s, all := chunks(t, from.Engine, 1)
	r, err := to.Receive(1, s.Lineage, s.Applied)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Abort()
	if err := r.file.update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(dataBucket); return err }); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(all[0]); err == nil {
		t.Error("it is written into what was there")
	}
}
