package storage

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

func TestReopen(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	first := f.Identity()
	if first.Start.Incarnation != 1 || first.StoreID == 0 || first.ClusterID != "" {
		t.Fatalf("new directory: %+v", first)
	}
	table := f.OpenPartition(5, lineage)
	f.sync(entry.Record{Partition: 5, Lineage: lineage, Adopted: 1})
	f.write(5, table, puts(1, 100, 50)...)
	if err := f.flush(5, false); err != nil {
		t.Fatal(err)
	}
	f.write(5, table, append(puts(101, 120, 50), remove(121, "key-000001"), put(122, "key-000002", "new"))...)
	f.sync(records(5, put(123, "key-000003", "not committed"))...)
	wantAbsent(t, table, "key-000001")
	wantValue(t, table, "key-000002", "new", 122)
	if err := f.BindCluster("c"); err != nil {
		t.Fatal(err)
	}
	f.close()

	f = open(t, o)
	again := f.Identity()
	if again.Start.Incarnation != 2 || again.StoreID != first.StoreID || again.ClusterID != "c" {
		t.Fatalf("same directory: %+v, before %+v", again, first)
	}
	r := f.recovered(5)
	if r.Lineage != lineage || r.Adopted != 1 || r.Applied != (entry.Position{Sequence: 100, Epoch: 1}) {
		t.Errorf("recovered %+v", r)
	}
	if want := sequences(puts(101, 123, 1)); !slices.Equal(sequences(r.Log), want) {
		t.Errorf("log %v, want %v", sequences(r.Log), want)
	}
	wantValue(t, r.State, "key-000002", string(puts(2, 2, 50)[0].Value), 2)
	r.State.Apply(r.Log)
	wantAbsent(t, r.State, "key-000001")
	wantValue(t, r.State, "key-000002", "new", 122)
	wantValue(t, r.State, "key-000003", "not committed", 123)
}

func TestEntryReplacesAllFromItsSequenceOn(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	f.OpenPartition(1, lineage)
	f.sync(records(1, puts(1, 9, 10)...)...)
	f.sync(records(1, inEpoch(2, put(7, "a", "x")), inEpoch(2, put(8, "b", "y")))...)
	f.close()
	f = open(t, o)
	r := f.recovered(1)
	if got := sequences(r.Log); !slices.Equal(got, []uint64{1, 2, 3, 4, 5, 6, 7, 8}) {
		t.Fatalf("log %v", got)
	}
	if r.Log[5].Epoch != 1 || r.Log[6].Epoch != 2 || r.Log[7].Epoch != 2 {
		t.Errorf("epochs %d %d %d", r.Log[5].Epoch, r.Log[6].Epoch, r.Log[7].Epoch)
	}
}

func TestDoneInOrder(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	f.OpenPartition(1, lineage)
	var got []int
	finished := make(chan struct{})
	for i := range 200 {
		f.Append(records(1, puts(uint64(i)+1, uint64(i)+1, 10)...), func() {
			got = append(got, i)
			if i == 199 {
				close(finished)
			}
		})
	}
	<-finished
	if !slices.IsSorted(got) || len(got) != 200 {
		t.Errorf("%d calls: %v", len(got), got)
	}
	eventually(t, "nothing pending", func() bool { return f.OldestPending() == 0 })
}

func TestIdentity(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	for _, d := range []time.Duration{time.Second, 3 * time.Second, 2 * time.Second} {
		if err := f.HoldPromise(d); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.BindCluster("one"), f.BindCluster("one")); err != nil {
		t.Fatal(err)
	}
	if err := f.BindCluster("two"); !errors.Is(err, ErrWrongCluster) {
		t.Errorf("other cluster: %v", err)
	}
	f.close()
	other := o
	other.NodeID = "n2"
	if _, err := Open(other); !errors.Is(err, ErrWrongNode) {
		t.Errorf("other node: %v", err)
	}
	f = open(t, o)
	if id := f.Identity(); id.HeldPromise != 3*time.Second || id.ClusterID != "one" || id.Start.Incarnation != 2 {
		t.Errorf("%+v", id)
	}
}

func TestLocked(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	_, err := Open(o)
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), o.Dir) {
		t.Fatalf("second open: %v", err)
	}
	f.close()
	open(t, o)
}

func TestAnotherFormatIsRefused(t *testing.T) {
	t.Parallel()
	for _, version := range []int{formatVersion - 1, formatVersion + 1} {
		otherFormat(t, strconv.Itoa(version))
	}
}

func otherFormat(t *testing.T, version string) {
	t.Helper()
	o := small(t.TempDir())
	open(t, o).close()
	path := filepath.Join(o.Dir, storeFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newer := strings.Replace(string(b), `"format_version": `+strconv.Itoa(formatVersion), `"format_version": `+version+`, "unheard_of": true`, 1)
	if err := os.WriteFile(path, []byte(newer), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(o); !errors.Is(err, ErrOtherFormat) {
		t.Fatalf("format %s: %v", version, err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	_, err := Open(Options{MemoryTable: -1, SegmentSize: 5})
	for _, want := range []string{"no directory", "no node ID", "memory table", "segment size"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

func TestDrop(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	a := f.OpenPartition(1, lineage)
	f.write(1, a, puts(1, 10, 10)...)
	b := f.OpenPartition(2, lineage)
	f.write(2, b, puts(1, 10, 10)...)
	if err := errors.Join(f.flush(1, false), f.Drop(1), f.Drop(3)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(partitionPath(f.partitionsDir(), 1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("file of a dropped copy: %v", err)
	}
	if f.TableBytes() != b.bytes {
		t.Errorf("%d bytes in tables, want %d", f.TableBytes(), b.bytes)
	}
	again := f.OpenPartition(1, lineage)
	f.write(1, again, puts(1, 3, 10)...)
	f.close()
	f = open(t, o)
	if got := sequences(f.recovered(1).Log); len(got) != 3 {
		t.Errorf("log of the new copy: %v", got)
	}
	if got := sequences(f.recovered(2).Log); len(got) != 10 {
		t.Errorf("log of the other copy: %v", got)
	}
	if len(f.Lost()) > 0 {
		t.Errorf("lost: %v", f.Lost())
	}
}

func TestLineageFollowsAdoption(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	table := f.OpenPartition(1, lineage)
	f.write(1, table, puts(1, 3, 10)...)
	f.sync(entry.Record{Partition: 1, Lineage: 99, Adopted: 4},
		entry.Record{Partition: 1, Lineage: 99, Entry: inEpoch(4, put(4, "a", "new lineage"))},
		entry.Record{Partition: 1, Lineage: lineage, Entry: inEpoch(3, put(4, "a", "late, of the old one"))})
	f.close()
	f = open(t, o)
	r := f.recovered(1)
	if r.Lineage != 99 || r.Adopted != 4 || len(r.Log) != 4 || string(r.Log[3].Value) != "new lineage" {
		t.Errorf("recovered %+v", r)
	}
}
