package storage

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// adoptedIn is a configuration that a copy may have adopted.
func adoptedIn(id partition.ID, epoch partition.Epoch) *partition.Configuration {
	return &partition.Configuration{
		ID: id, Epoch: epoch, Lineage: lineage, Primary: "n1",
		Replicas: []partition.Replica{{Node: "n1", Store: 1 << 60}}, Learners: []partition.Replica{{Node: "n2", Store: 7}, {Node: "n3", Store: 8}},
		Eligible: []partition.Replica{{Node: "n3", Store: 8}},
	}
}

// flushedAndCut returns a closed directory in which partitions 1 and 2 are in
// files, and the log no longer has their first entries.
func flushedAndCut(t *testing.T) string {
	t.Helper()
	o := small(t.TempDir())
	o.LogRetention = 128 << 10 // stretches of 4 KiB
	f := open(t, o)
	for _, id := range []partition.ID{1, 2} {
		table := f.OpenPartition(id, lineage)
		f.sync(entry.Record{Partition: id, Lineage: lineage, Adopted: 3, Configuration: adoptedIn(id, 3)})
		for n := uint64(1); n <= 100; n += 10 {
			f.write(id, table, puts(n, n+9, 300)...)
			if err := f.flush(id, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, "the log is cut", func() bool {
		first, err := f.log.wal.FirstIndex()
		return err == nil && first > 10
	})
	f.sync(records(2, puts(101, 105, 10)...)...)
	f.close()
	return o.Dir
}

func TestCutLog(t *testing.T) {
	t.Parallel()
	dir := flushedAndCut(t)
	f := open(t, small(dir))
	for id, pending := range map[partition.ID]int{1: 0, 2: 5} {
		r := f.recovered(id)
		if r.Applied.Sequence != 100 || r.Adopted != 3 || r.Lineage != lineage || len(r.Log) != pending {
			t.Errorf("%s recovered %+v", id, r)
		}
		if want := adoptedIn(id, 3); !reflect.DeepEqual(r.Configuration, want) {
			t.Errorf("%s recovered with the configuration %+v, want %+v", id, r.Configuration, want)
		}
		for _, e := range puts(1, 100, 300) {
			wantValue(t, r.State, string(e.Key), string(e.Value), e.Sequence)
		}
	}
}

func TestLostFiles(t *testing.T) {
	t.Parallel()
	origin := flushedAndCut(t)
	for what, harm := range map[string]func(t *testing.T, path string){
		"gone":          func(t *testing.T, path string) { removeFile(t, "", path) },
		"empty":         func(t *testing.T, path string) { cutTo(0)(t, "", path) },
		"cut":           func(t *testing.T, path string) { cutTo(20_000)(t, "", path) },
		"garbage":       func(t *testing.T, path string) { edit(t, path, zero(0, 16384)) },
		"another's":     func(t *testing.T, path string) { replaceBy(t, path, partitionPath(filepath.Dir(path), 2)) },
		"meta flipped":  func(t *testing.T, path string) { editMeta(t, path, func(m []byte) []byte { m[3] ^= 1; return m }) },
		"meta gone":     func(t *testing.T, path string) { editMeta(t, path, func([]byte) []byte { return nil }) },
		"another store": func(t *testing.T, path string) { changeMeta(t, path, func(m *fileMeta) { m.store++ }) },
		"older":         func(t *testing.T, path string) { changeMeta(t, path, func(m *fileMeta) { m.applied.Sequence = 7 }) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := image(t, origin)
			harm(t, partitionPath(filepath.Join(dir, "partitions"), 1))
			for range 2 { // lost stays lost
				f := open(t, small(dir))
				if r, ok := f.find(1); ok {
					t.Errorf("recovered %+v", r)
				}
				if lost := f.Lost(); len(lost) != 1 || lost[0].Partition != 1 || lost[0].Lineage != lineage || !errors.Is(lost[0].Reason, ErrDamaged) {
					t.Errorf("lost %+v", lost)
				}
				if r := f.recovered(2); r.Applied.Sequence != 100 || len(r.Log) != 5 {
					t.Errorf("the other copy: %+v", r)
				}
				f.close()
			}
			f := open(t, small(dir))
			f.write(1, f.OpenPartition(1, 77))
			if err := f.flush(1, true); err != nil {
				t.Fatal(err)
			}
			f.close()
			f = open(t, small(dir))
			if r := f.recovered(1); r.Lineage != 77 || r.Applied.Sequence != 0 || len(f.Lost()) > 0 {
				t.Errorf("after a new beginning: %+v, lost %v", r, f.Lost())
			}
		})
	}
}

func replaceBy(t *testing.T, path, other string) {
	t.Helper()
	b, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	edit(t, path, func([]byte) []byte { return b })
}

func editMeta(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	db, err := bbolt.Open(path, 0o644, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(metaBucket)
		return b.Put(metaKey, change(append([]byte(nil), b.Get(metaKey)...)))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func changeMeta(t *testing.T, path string, change func(*fileMeta)) {
	t.Helper()
	editMeta(t, path, func(b []byte) []byte {
		m, err := decodeFileMeta(b)
		if err != nil {
			t.Fatal(err)
		}
		change(&m)
		return m.encode()
	})
}

// A crash comes after a flush, before the log knows of it.
func TestFlushThatTheLogDoesNotKnowOf(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	f.write(1, table, puts(1, 10, 10)...)
	dir := image(t, f.dir)
	if err := f.flush(1, false); err != nil {
		t.Fatal(err)
	}
	f.close()
	path := partitionPath(filepath.Join(dir, "partitions"), 1)
	b, err := os.ReadFile(partitionPath(f.partitionsDir(), 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	half := image(t, dir)
	g := open(t, small(dir))
	if r := g.recovered(1); r.Applied.Sequence != 10 || len(r.Log) != 0 {
		t.Errorf("recovered %+v", r)
	}
	// Or while the file was being made: then the log has it all.
	cutTo(5000)(t, "", partitionPath(filepath.Join(half, "partitions"), 1))
	g = open(t, small(half))
	if r := g.recovered(1); r.Applied.Sequence != 0 || len(r.Log) != 10 {
		t.Errorf("recovered from half a file: %+v", r)
	}
	if err := g.flush(1, true); err != nil {
		t.Errorf("flush in place of half a file: %v", err)
	}
}

// A value that rots in the file is an error, never a wrong answer.
func TestRottenValue(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	var damaged []partition.ID
	o.Damaged = func(id partition.ID, _ error) { damaged = append(damaged, id) }
	f := open(t, o)
	table := f.OpenPartition(1, lineage)
	f.write(1, table, put(1, "good", "value"), put(2, "rotten", "value"), put(3, "old", "value"))
	if err := f.flush(1, false); err != nil {
		t.Fatal(err)
	}
	err := table.file.update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(dataBucket)
		rotten, old := append([]byte(nil), b.Get([]byte("rotten"))...), append([]byte(nil), b.Get([]byte("old"))...)
		rotten[len(rotten)-1] ^= 4
		old[0] ^= 4
		return errors.Join(b.Put([]byte("rotten"), rotten), b.Put([]byte("old"), old))
	})
	if err != nil {
		t.Fatal(err)
	}
	wantValue(t, table, "good", "value", 1)
	if v, _, ok, err := table.Get([]byte("rotten")); !errors.Is(err, ErrDamaged) || ok {
		t.Errorf("rotten value: %q %v %v", v, ok, err)
	}
	if v, ok, err := table.Lookup([]byte("old")); !errors.Is(err, ErrDamaged) || ok {
		t.Errorf("rotten version: %v %v %v", v, ok, err)
	}
	if len(damaged) != 2 || damaged[0] != 1 {
		t.Errorf("reported %v", damaged)
	}
	s, err := f.Snapshot(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); !errors.Is(err, ErrDamaged) {
		t.Errorf("snapshot of a rotten value: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
