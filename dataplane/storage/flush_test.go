package storage

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// The flusher keeps memory and log within their limits by itself, and what it
// flushed and cut is still there afterwards.
func TestFlusherKeepsLimits(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]func(*Options){
		"memory": func(o *Options) { o.MemoryTable = 64 << 10 },
		"log":    func(o *Options) { o.LogRetention = 128 << 10 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small(t.TempDir())
			limit(&o)
			f := open(t, o)
			var mu sync.Mutex
			flushed := map[partition.ID]uint64{}
			f.SetFlushed(func(id partition.ID, sequence uint64) {
				mu.Lock()
				defer mu.Unlock()
				if sequence <= flushed[id] {
					t.Errorf("%s flushed to %d after %d", id, sequence, flushed[id])
				}
				flushed[id] = sequence
			})
			tables := map[partition.ID]*Table{}
			const rounds = 40
			for id := range partition.ID(4) {
				tables[id] = f.OpenPartition(id, lineage)
			}
			idle := f.OpenPartition(9, lineage)
			f.sync(entry.Record{Partition: 9, Lineage: lineage, Adopted: 5})
			f.write(9, idle, puts(1, 1, 10)...)
			for n := uint64(1); n <= rounds*10; n += 10 {
				for id, table := range tables {
					f.write(id, table, puts(n, n+9, 100)...)
				}
			}
			eventually(t, "the limits are kept", func() bool {
				return f.TableBytes() < f.options.MemoryTable && f.retention.bytes() < f.options.LogRetention
			})
			f.close()
			f = open(t, o)
			mu.Lock()
			defer mu.Unlock()
			if len(flushed) == 0 {
				t.Error("nobody was told of a flush")
			}
			for id := range tables {
				r := f.recovered(id)
				if r.Applied.Sequence < flushed[id] || r.Applied.Sequence+uint64(len(r.Log)) != rounds*10 {
					t.Errorf("%s: applied %d, log %d, flushed %d", id, r.Applied.Sequence, len(r.Log), flushed[id])
				}
				r.State.Apply(r.Log)
				for _, e := range puts(1, rounds*10, 100) {
					wantValue(t, r.State, string(e.Key), string(e.Value), e.Sequence)
				}
			}
			if r := f.recovered(9); r.Adopted != 5 || r.Applied.Sequence+uint64(len(r.Log)) != 1 {
				t.Errorf("idle copy: %+v", r)
			}
		})
	}
}

// A partition that cannot commit does not hold the log of the others.
func TestPendingEntriesAreCarried(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	o.LogRetention = 128 << 10
	f := open(t, o)
	stuck := f.OpenPartition(1, lineage)
	f.write(1, stuck, puts(1, 5, 10)...)
	f.sync(records(1, puts(6, 12, 10)...)...)
	f.sync(records(1, inEpoch(2, put(8, "replaced", "x")), inEpoch(2, put(9, "too", "y")))...)
	busy := f.OpenPartition(2, lineage)
	n := uint64(0)
	eventually(t, "the log is cut behind the pending entries", func() bool {
		for range 10 {
			n++
			f.write(2, busy, put(n, "key", fmt.Sprintf("%02000d", n)))
		}
		first, err := f.log.wal.FirstIndex()
		return err == nil && first > 10
	})
	f.flusher.stop() // an image is of one moment
	f.sync()
	for _, dir := range []string{image(t, f.dir), f.dir} {
		if dir == f.dir {
			f.close()
		}
		o.Dir = dir
		r := open(t, o).recovered(1)
		if r.Applied.Sequence > 5 || r.Applied.Sequence+uint64(len(r.Log)) != 9 {
			t.Fatalf("recovered %v and %v", r.Applied, sequences(r.Log))
		}
		last := r.Log[len(r.Log)-2:]
		if string(last[0].Key) != "replaced" || last[0].Epoch != 2 || string(last[1].Value) != "y" {
			t.Errorf("log %+v", last)
		}
	}
}

// Damage to the last thing written is noticed too, once the log has been quiet.
func TestQuietLogProvesItsLastBatch(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	f.write(1, f.OpenPartition(1, lineage), puts(1, 1, 10)...)
	before := f.writer.durable.Load()
	eventually(t, "a quiet record", func() bool { return f.writer.quieted.Load() > before })
	if got := f.writer.durable.Load(); got != before+1 {
		t.Errorf("%d batches, want one", got-before)
	}
	dir := image(t, f.dir)
	path := segments(t, dir)[0]
	all := batches(t, dir, path)
	edit(t, path, flip(all[len(all)-2][1]-20))
	wantRefused(t, dir, filepath.Base(path))
}

// Readers see every key at every moment, while it is applied, flushed and
// applied again.
func TestReadersDuringFlush(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	const keys, rounds = 50, 15
	key := func(i uint64) []byte { return fmt.Appendf(nil, "key-%d", i) }
	first := make([]*entry.Entry, 0, keys)
	for i := range uint64(keys) {
		first = append(first, put(i+1, string(key(i)), "0"))
	}
	f.write(1, table, first...)
	var stop atomic.Bool
	var readers sync.WaitGroup
	for r := range uint64(3) {
		readers.Go(func() {
			last := map[uint64]uint64{}
			for i := r; !stop.Load(); i++ {
				k := i % keys
				_, v, ok, err := table.Get(key(k))
				if !ok || err != nil || v.Sequence < last[k] {
					t.Errorf("key %d: %v, %v, sequence %d after %d", k, ok, err, v.Sequence, last[k])
					return
				}
				last[k] = v.Sequence
				if v, ok, err := table.Lookup(key(k)); !ok || err != nil || v.Sequence < last[k] {
					t.Errorf("look up key %d: %v, %v, sequence %d after %d", k, ok, err, v.Sequence, last[k])
					return
				}
			}
		})
	}
	n := uint64(keys)
	for range rounds {
		var batch []*entry.Entry
		for i := range uint64(keys / 2) {
			n++
			batch = append(batch, put(n, string(key(i*2%keys)), fmt.Sprint(n)))
		}
		f.write(1, table, batch...)
		if err := f.flush(1, false); err != nil {
			t.Error(err)
		}
	}
	stop.Store(true)
	readers.Wait()
	if f.TableBytes() != 0 {
		t.Errorf("%d bytes in tables after a flush", f.TableBytes())
	}
}

func TestApplyPanicsOnGap(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	table.Apply(puts(2, 2, 1))
}

// After a failed write nothing is acknowledged, and the failure is told once.
func TestFailedWrite(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	failed := make(chan error, 10)
	o.Failed = func(err error) { failed <- err }
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	table := e.OpenPartition(1, lineage)
	synced := make(chan struct{})
	e.Append(records(1, puts(1, 1, 1)...), func() { close(synced) })
	<-synced
	table.Apply(puts(1, 1, 1))
	if err := e.log.wal.Close(); err != nil { // stands for a disk that fails
		t.Fatal(err)
	}
	for n := uint64(2); n < 5; n++ {
		e.Append(records(1, puts(n, n, 1)...), func() { t.Error("acknowledged after a failure") })
	}
	if err := <-failed; err == nil {
		t.Error("no error")
	}
	if err := e.flush(1, false); err == nil {
		t.Error("a flush makes a file after the log failed")
	}
	wantValue(t, table, "key-000001", "1", 1)
	if err := e.flush(1, false); err != nil {
		t.Errorf("flush after a failed one: %v", err)
	}
	wantValue(t, table, "key-000001", "1", 1)
	if err := errors.Join(e.Drop(1)); !errors.Is(err, ErrClosed) {
		t.Errorf("drop: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if len(failed) > 0 {
		t.Errorf("told again: %v", <-failed)
	}
	wantValue(t, table, "key-000001", "1", 1)
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	registry := prometheus.NewRegistry()
	o.Registerer = registry
	f := open(t, o)
	f.write(1, f.OpenPartition(1, lineage), puts(1, 3, 10)...)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, m := range families {
		found[m.GetName()] = m.GetMetric()[0].GetGauge().GetValue() + m.GetMetric()[0].GetCounter().GetValue()
	}
	for _, name := range []string{"holdfast_storage_log_commits_total", "holdfast_storage_log_bytes", "holdfast_storage_table_bytes", "holdfast_storage_log_written_bytes_total"} {
		if found[name] <= 0 {
			t.Errorf("%s is %v", name, found[name])
		}
	}
	f.close()
	open(t, o) // registers again
}
