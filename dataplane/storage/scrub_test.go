package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/partition"
)

// counted returns the value of a counter.
func counted(t testing.TB, from *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("no %s", name)
	return 0
}

// flipText changes one byte of what stands at the first occurrence of a text in a
// file that is in use.
func flipText(t *testing.T, path, text string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(content, []byte(text))
	if at < 0 {
		t.Fatalf("%s does not hold %q", path, text)
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte{content[at] ^ 0x20}, int64(at)); err != nil {
		t.Fatal(err)
	}
}

func TestScrubFindsWhatNobodyReads(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{"a value": "precious", "a key": "lonely"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			registry := prometheus.NewRegistry()
			o := small(t.TempDir())
			o.Registerer = registry
			var damaged atomic.Int64
			o.ScrubRate = -1
			o.Damaged = func(id partition.ID, err error) {
				if !errors.Is(err, ErrDamaged) {
					t.Errorf("%v", err)
				}
				damaged.Store(int64(id))
			}
			f := open(t, o)
			for id := range partition.ID(4) {
				table := f.OpenPartition(id, lineage)
				f.write(id, table, puts(1, 300, 500)...)
				f.write(id, table, put(301, "lonely", "precious"))
				if err := f.flush(id, true); err != nil {
					t.Fatal(err)
				}
			}
			s := f.scrubber()
			for _, id := range f.copiesHere() {
				s.file(id)
			}
			if damaged.Load() != 0 {
				t.Fatal("damage where there is none")
			}
			if got := counted(t, registry, "holdfast_storage_scrubbed_bytes_total"); got < 4*300*500 {
				t.Fatalf("%v bytes checked", got)
			}
			flipText(t, partitionPath(filepath.Join(f.dir, "partitions"), 3), text)
			s.file(3)
			if damaged.Load() != 3 || counted(t, registry, "holdfast_storage_scrub_faults_total") != 1 {
				t.Errorf("damage of %s was found in partition %d", what, damaged.Load())
			}
		})
	}
}

// A page says that it has one key less than it has: a read of that key says that
// there is none. Flushes of another key go on all the time, and it is found within
// the pass that begins next.
func TestScrubFindsAHiddenKeyUnderLoad(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	o := small(t.TempDir())
	var damaged atomic.Int64
	o.Registerer, o.ScrubRate, o.Damaged = registry, 4<<20, func(partition.ID, error) { damaged.Add(1) }
	b := newBusyFile(t, o, 1)
	b.write(1, b.table, b.large(1000)...)
	if err := b.flush(1, false); err != nil {
		t.Fatal(err)
	}
	_, leaves := b.layout(dataKind)
	id := leaves[len(leaves)-2]
	page := b.page(id)
	count := int(binary.NativeEndian.Uint16(page[10:]))
	at, keySize, _ := elementOf(page, count-1)
	key := string(page[at : at+keySize])
	b.writeBytes(id, 10, binary.NativeEndian.AppendUint16(nil, uint16(count-1))...)
	if _, _, found, err := b.table.Get([]byte(key)); found || err != nil {
		t.Fatalf("%q: found %v, %v", key, found, err)
	}
	damaged.Store(0)
	passes := counted(t, registry, "holdfast_storage_scrub_passes_total")
	for deadline := time.Now().Add(30 * time.Second); damaged.Load() == 0; {
		b.flushSome()
		if more := counted(t, registry, "holdfast_storage_scrub_passes_total") - passes; more > 2 || time.Now().After(deadline) {
			t.Fatalf("it is not found in %v passes", more)
		}
	}
}

// What is read is read at the rate that is asked for, whatever it takes: a wait is
// made up for, at twice the rate at most.
func TestScrubKeepsItsRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{}
		e.metrics = newMetrics(prometheus.NewRegistry(), e)
		s := scrubber{e: e, rate: 1 << 20, pause: time.NewTimer(time.Hour), due: time.Now()}
		s.pause.Stop()
		read := func(bytes int64, waits, reads time.Duration) time.Duration {
			began := time.Now()
			for range bytes / 4096 {
				time.Sleep((waits + reads) * 4096 / time.Duration(bytes)) //nolint:forbidigo // the bubble's clock
				s.pay(4096, reads*4096/time.Duration(bytes))
			}
			return time.Since(began)
		}
		for _, c := range []struct {
			what         string
			bytes        int64
			waits, reads time.Duration
			min, max     time.Duration
		}{
			{"nothing else to do", 10 << 20, 0, 0, 9900 * time.Millisecond, 10100 * time.Millisecond},
			{"reading takes half of the time", 10 << 20, 0, 5 * time.Second, 9900 * time.Millisecond, 10100 * time.Millisecond},
			{"it waits for a flush", 4096, 2 * time.Second, 0, 2 * time.Second, 2100 * time.Millisecond},
			{"which is made up for", 3 << 20, 0, 0, 1400 * time.Millisecond, 1600 * time.Millisecond},
			{"and then not any more", 4 << 20, 0, 0, 3200 * time.Millisecond, 4100 * time.Millisecond},
			{"the disk is too slow", 1 << 20, 0, 5 * time.Second, 9900 * time.Millisecond, 10100 * time.Millisecond},
		} {
			if took := read(c.bytes, c.waits, c.reads); took < c.min || took > c.max {
				t.Errorf("%s: %v, want %v to %v", c.what, took, c.min, c.max)
			}
		}
	})
}

// A copy that was put aside is lost from the next start on, and its file is
// kept, also when another has taken its place; the other is not marked.
func TestCopyThatIsPutAsideIsLost(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	for id := range partition.ID(3) {
		table := f.OpenPartition(id, lineage)
		f.write(id, table, put(1, "k", "precious"))
		if id < 2 {
			if err := f.flush(id, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range []partition.ID{1, 2} { // with a file and without
		if err := f.SetAside(id, "it differs"); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetAside(7, "it differs"); !errors.Is(err, ErrNoCopy) {
		t.Errorf("without a copy: %v", err)
	}
	f = open(t, small(image(t, f.dir)))
	f.recovered(0)
	lost := f.Lost()
	if len(lost) != 2 || lost[0].Partition != 1 || lost[1].Partition != 2 || !errors.Is(lost[0].Reason, ErrDamaged) {
		t.Fatalf("lost: %v", lost)
	}
	for id := partition.ID(1); id < 3; id++ {
		table := f.OpenPartition(id, lineage)
		f.write(id, table, put(1, "k", "other"))
		if err := f.flush(id, true); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(partitionPath(filepath.Join(f.dir, Aside), 1))
	if err != nil || !bytes.Contains(kept, []byte("precious")) {
		t.Errorf("the file of what was put aside: %v", err)
	}
	f = open(t, small(image(t, f.dir)))
	if lost := f.Lost(); len(lost) != 0 {
		t.Errorf("the copies that took their places are lost: %v", lost)
	}
	wantValue(t, f.recovered(1).State, "k", "other", 1)
	if _, err := os.Stat(f.markPath(1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the mark of the earlier copy stays: %v", err)
	}
}

// A damaged key hides a value, and perhaps others: that they are not there is
// not believed.
func TestDamagedKeyIsNotTakenForNone(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	o.Damaged = func(partition.ID, error) {}
	f := open(t, o)
	table := f.OpenPartition(1, lineage)
	entries := puts(1, 400, 100)
	f.write(1, table, entries...)
	if err := f.flush(1, true); err != nil {
		t.Fatal(err)
	}
	path := partitionPath(filepath.Join(f.dir, "partitions"), 1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	hidden := 0
	for n := 0; n < len(entries); n += 7 {
		key := entries[n].Key
		for at := bytes.Index(whole, key); at >= 0; {
			for bit := range 8 {
				writeByte(t, path, at+len(key)-1-n%2, whole[at+len(key)-1-n%2]^1<<bit)
				for _, e := range entries {
					value, _, found, err := table.Get(e.Key)
					if err == nil && (!found || !bytes.Equal(value, e.Value)) {
						t.Fatalf("bit %d of key %q at %d: %q is %v, %v", bit, key, at, e.Key, found, err)
					}
					if err != nil {
						hidden++
					}
				}
			}
			writeByte(t, path, at+len(key)-1-n%2, whole[at+len(key)-1-n%2])
			next := bytes.Index(whole[at+1:], key)
			if next < 0 {
				break
			}
			at += 1 + next
		}
	}
	if hidden == 0 {
		t.Error("no damage was met")
	}
}

func writeByte(t *testing.T, path string, at int, b byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte{b}, int64(at)); err != nil {
		t.Fatal(err)
	}
}
