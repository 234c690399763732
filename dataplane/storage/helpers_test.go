package storage

import (
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/raft-wal/metadb"
	"go.uber.org/goleak"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

var _ replica.State = (*Table)(nil)

func TestMain(m *testing.M) {
	// Every step of the model waits for the disk; -rapid.checks asks for more.
	if err := flag.Set("rapid.checks", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const lineage = 0xabcd1234

// small makes everything happen early: rotation, flushes, cuts.
func small(dir string) Options {
	return Options{Dir: dir, NodeID: "n1", SegmentSize: 16 << 10, ReserveDisk: 1}
}

// fixture is an engine in a test, with what is needed to write to it.
type fixture struct {
	*Engine
	t   *testing.T
	dir string
}

func open(t *testing.T, o Options) *fixture {
	t.Helper()
	o.Failed = func(err error) { t.Errorf("storage failed: %v", err) }
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return &fixture{Engine: e, t: t, dir: o.Dir}
}

func (f *fixture) close() {
	f.t.Helper()
	if err := f.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// sync appends records and waits for the disk.
func (f *fixture) sync(records ...entry.Record) {
	f.t.Helper()
	done := make(chan struct{})
	f.Append(records, func() { close(done) })
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		f.t.Fatal("append is not synced after 10 s")
	}
}

// write appends entries, and applies them once they are synced.
func (f *fixture) write(id partition.ID, table *Table, entries ...*entry.Entry) {
	f.t.Helper()
	f.sync(records(id, entries...)...)
	table.Apply(entries)
}

func (f *fixture) recovered(id partition.ID) *Recovered {
	f.t.Helper()
	r, ok := f.find(id)
	if !ok {
		f.t.Fatalf("%s was not recovered; lost: %v", id, f.Lost())
	}
	return r
}

func (f *fixture) find(id partition.ID) (*Recovered, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.Engine.recovered {
		if f.Engine.recovered[i].Partition == id {
			return &f.Engine.recovered[i], true
		}
	}
	return nil, false
}

func records(id partition.ID, entries ...*entry.Entry) []entry.Record {
	var out []entry.Record
	for _, e := range entries {
		out = append(out, entry.Record{Partition: id, Lineage: lineage, Entry: e})
	}
	return out
}

func put(sequence uint64, key, value string) *entry.Entry {
	return &entry.Entry{
		Position: entry.Position{Sequence: sequence, Epoch: 1}, Kind: entry.Put, Key: []byte(key), Value: []byte(value),
		Request: entry.RequestID{Origin: 7, Boot: 1, Counter: sequence}, LowestOpen: sequence - min(sequence, 5),
	}
}

func remove(sequence uint64, key string) *entry.Entry {
	e := put(sequence, key, "")
	e.Kind, e.Existed, e.Value = entry.Delete, true, nil
	return e
}

func inEpoch(epoch partition.Epoch, e *entry.Entry) *entry.Entry {
	e.Epoch = epoch
	return e
}

// puts returns entries from first to last, each of a key of its own.
func puts(first, last uint64, size int) []*entry.Entry {
	var out []*entry.Entry
	for s := first; s <= last; s++ {
		out = append(out, put(s, fmt.Sprintf("key-%06d", s), fmt.Sprintf("%0*d", size, s)))
	}
	return out
}

func sequences(entries []*entry.Entry) []uint64 {
	var out []uint64
	for _, e := range entries {
		out = append(out, e.Sequence)
	}
	return out
}

func wantValue(t *testing.T, table *Table, key, value string, sequence uint64) {
	t.Helper()
	got, v, ok, err := table.Get([]byte(key))
	if err != nil || !ok || string(got) != value || v.Sequence != sequence {
		t.Errorf("get %q: %q at %d, %v, %v; want %q at %d", key, got, v.Sequence, ok, err, value, sequence)
	}
	if v, ok, err := table.Lookup([]byte(key)); err != nil || !ok || v.Sequence != sequence {
		t.Errorf("look up %q: %d, %v, %v; want %d", key, v.Sequence, ok, err, sequence)
	}
}

func wantAbsent(t *testing.T, table *Table, key string) {
	t.Helper()
	if v, _, ok, err := table.Get([]byte(key)); ok || err != nil {
		t.Errorf("get %q: %q, %v, %v; want none", key, v, ok, err)
	}
}

// image copies a data directory as a crash would leave it. raft-wal rotates in
// the background, so its meta file goes first: what is newer than that is to
// the copy as if it had never been.
func image(t *testing.T, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.Mkdir(filepath.Join(to, "log"), 0o755); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join("log", metadb.FileName)
	copyFile(t, filepath.Join(from, first), filepath.Join(to, first))
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case rel != first:
			copyFile(t, path, filepath.Join(to, rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not after 10 s: %s", what)
		}
	}
}

// scrubber is one that a test takes step by step, and that never rests for long.
func (f *fixture) scrubber() *scrubber {
	timer := time.NewTimer(time.Hour)
	timer.Stop()
	return &scrubber{e: f.Engine, rate: 1 << 40, quit: f.flusher.quit, pause: timer}
}
