package storage

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/storage/faultfiles"
)

// One append may be larger than a group commit. It is reported once its last record
// is synced, and never where a part of it fails; then nothing more is taken.
func TestAnAppendLargerThanAGroupCommitIsReportedWhole(t *testing.T) {
	t.Parallel()
	for failing := range int64(3) {
		files := faultfiles.New()
		o := small(t.TempDir())
		o.SegmentSize, o.ScrubRate, o.LogFiles = 64<<20, -1, files
		o.Failed = func(error) {}
		e, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		e.OpenPartition(1, lineage)
		if !e.writer.barrier() {
			t.Fatal("the log has ended")
		}
		var writes atomic.Int64
		files.At = func(operation string) error {
			if operation == "write" && writes.Add(1) == failing {
				return &os.PathError{Op: operation, Path: "the log", Err: syscall.EIO}
			}
			return nil
		}
		reported := make(chan struct{})
		large := puts(1, 4, 10)
		for _, one := range large {
			one.Value = make([]byte, groupCommit*3/8) // together half as much again
		}
		e.Append(records(1, large...), func() { close(reported) })
		if whole := e.writer.synced(reported); whole != (failing == 0) {
			t.Errorf("write %d fails: reported %t", failing, whole)
		}
		if failing == 0 && writes.Load() < 2 {
			t.Errorf("it was written with %d writes: no more than one group commit", writes.Load())
		}
		if failing > 0 {
			e.Append(records(1, puts(5, 5, 10)...), func() { t.Error("reported after a failure") })
			e.writer.mu.Lock()
			if n := len(e.writer.queue); n > 0 {
				t.Errorf("%d appends wait for a log that has failed", n)
			}
			e.writer.mu.Unlock()
		}
		_ = e.Close() // after a failure it may say so again
	}
}

// A log that ends one batch before where it is known to have ended is not used.
func TestALogWithoutItsLastBatchIsRefused(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	f.write(1, f.OpenPartition(1, lineage), puts(1, 5, 10)...)
	f.close()
	open(t, small(f.dir)).close() // as it is, it opens
	id, _, err := readIdentity(f.dir, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if err := id.update(func(s *storeState) error { s.LogEnd++; return nil }); err != nil {
		t.Fatal(err)
	}
	if e, err := Open(small(f.dir)); !errors.Is(err, ErrDamaged) {
		if err == nil {
			_ = e.Close()
		}
		t.Errorf("opened: %v", err)
	}
}

// A drop is begun, the partition is opened again and flushed, and only then the drop
// is finished: it removes nothing of the newer copy.
func TestALateDropLeavesTheNewerCopy(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	f.write(1, f.OpenPartition(1, lineage), puts(1, 5, 10)...)
	if err := f.flush(1, true); err != nil {
		t.Fatal(err)
	}
	finish := f.BeginDrop(1)
	f.write(1, f.OpenPartition(1, lineage), puts(1, 3, 20)...)
	if err := f.flush(1, true); err != nil {
		t.Fatal(err)
	}
	if err := finish(); err != nil {
		t.Fatal(err)
	}
	f.close()
	f = open(t, small(f.dir))
	r := f.recovered(1)
	r.State.Apply(r.Log)
	if at, _ := r.State.Applied(); at.Sequence != 3 {
		t.Errorf("the newer copy has entries up to %d", at.Sequence)
	}
	for _, e := range puts(1, 3, 20) {
		wantValue(t, r.State, string(e.Key), string(e.Value), e.Sequence)
	}
}

// When a value ends is known all the time: in memory, once it is in the file, and
// after later flushes, until it is removed.
func TestTheEndOfAValueIsKnownAfterEachFlush(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	ends := func(sequence uint64, key string, at entry.LoggedTime) *entry.Entry {
		e := put(sequence, key, "v")
		e.Expires = at
		return e
	}
	want := func(when string, at entry.LoggedTime) {
		t.Helper()
		if got := table.NextExpiry(); got != at {
			t.Errorf("%s: the next value ends at %d, want %d", when, got, at)
		}
	}
	flush := func() {
		t.Helper()
		if err := f.flush(1, true); err != nil {
			t.Fatal(err)
		}
	}
	f.write(1, table, ends(1, "late", 900), ends(2, "early", 500), put(3, "never", "v"))
	want("in memory", 500)
	flush()
	want("in the file", 500)
	f.write(1, table, put(4, "never", "w"))
	flush()
	want("after another flush", 500)
	if keys, err := table.Expired(600, 10); err != nil || len(keys) != 1 || string(keys[0]) != "early" {
		t.Errorf("expired at 600: %q, %v", keys, err)
	}
	f.write(1, table, remove(5, "early"))
	flush()
	want("once the first is removed", 900)
	f.write(1, table, remove(6, "late"))
	flush()
	want("once both are removed", 0)
}

// What a table holds in memory is given back, whichever comes first: the end of a
// flush, or that of the copy.
func TestATableGivesItsMemoryBack(t *testing.T) {
	t.Parallel()
	type table struct {
		*Table
		c change
	}
	apply := func(t *table) { t.Apply(puts(t.applied.Sequence+1, t.applied.Sequence+3, 100)) }
	freeze := func(t *table) { t.c, _ = t.freeze(true) }
	thaw := func(t *table) { t.thaw(nil, &t.c) }
	retire := func(t *table) { t.retire() }
	for name, steps := range map[string][]func(*table){
		"dropped":                            {apply, retire},
		"flushed, then dropped":              {apply, freeze, thaw, retire},
		"dropped during a flush":             {apply, freeze, retire, thaw},
		"dropped during a flush, after more": {apply, freeze, apply, retire, thaw},
		"applied to after its end":           {apply, retire, apply},
		"dropped twice":                      {apply, retire, retire},
	} {
		var total atomic.Int64
		one := &table{Table: newTable(1, 1, &total, nil)}
		for _, step := range steps {
			step(one)
		}
		if n := total.Load(); n != 0 {
			t.Errorf("%s: %d bytes stay counted", name, n)
		}
	}
}

// A snapshot that is closed, or read to its end and closed, leaves nothing behind:
// neither a transaction nor a note of it.
func TestAClosedSnapshotLeavesNothing(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	f.write(1, table, puts(1, 50, 5000)...)
	for _, read := range []int{0, 1, 1 << 20} {
		s, err := f.Snapshot(1)
		if err != nil {
			t.Fatal(err)
		}
		for range read {
			if _, err := s.Next(); err != nil {
				break
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		table.file.mu.Lock()
		noted, open := len(table.file.snapshots), s.tx != nil
		table.file.mu.Unlock()
		if noted != 0 || open {
			t.Errorf("after %d chunks: %d snapshots are noted, transaction open: %t", read, noted, open)
		}
	}
}

// A request with a key is remembered for its time, and not a moment longer, in
// memory and in the file.
func TestAKeyIsForgottenInTime(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	first := put(1, "k", "v")
	first.Logged, first.Idempotency = 1000, &entry.Idempotency{ID: entry.IdempotencyID{1}}
	f.write(1, table, first)
	until := first.Logged + entry.Remember
	for i, at := range []entry.LoggedTime{1000, until - 1, until} {
		e := put(uint64(2+i), "other", "v")
		e.Logged = at
		f.write(1, table, e)
		for _, where := range []string{"in memory", "in the file"} {
			if _, found, err := table.Remembered(first.Idempotency.ID); err != nil || found != (at < until) {
				t.Errorf("%s, %d before its end: remembered %t, %v", where, until-at, found, err)
			}
			if err := f.flush(1, true); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What is noted of a flush counts for the copy that was flushed only.
func TestAFlushCountsForItsOwnCopy(t *testing.T) {
	t.Parallel()
	c := newCatalogue()
	at := entry.Position{Sequence: 9, Epoch: 1}
	for _, r := range []record{
		{kind: openedRecord, partition: 1, lineage: lineage, generation: 1},
		{kind: openedRecord, partition: 1, lineage: lineage, generation: 2},
		{kind: flushedRecord, partition: 1, generation: 1, applied: at},
	} {
		c.apply(&r)
	}
	if facts, _ := c.get(1); facts.file || facts.flushed != (entry.Position{}) {
		t.Errorf("the second copy: %+v", facts)
	}
	c.apply(&record{kind: flushedRecord, partition: 1, generation: 2, applied: at})
	if facts, _ := c.get(1); !facts.file || facts.flushed != at {
		t.Errorf("once it is flushed: %+v", facts)
	}
}

// A late entry of an earlier incarnation neither makes the latest forget nor is
// itself taken for open.
func TestALateRequestOfAnEarlierIncarnation(t *testing.T) {
	t.Parallel()
	r := newRequests()
	for _, e := range []*entry.Entry{request(1, 2, 6, 4), request(1, 1, 9, 9)} {
		r.apply(e)
	}
	if result, applied, _ := r.lookup(entry.RequestID{Origin: 1, Boot: 2, Counter: 6}); !applied || result.Sequence != 1006 {
		t.Errorf("the latest's: %+v, %t", result, applied)
	}
	if _, _, forgotten := r.lookup(entry.RequestID{Origin: 1, Boot: 1, Counter: 9}); !forgotten {
		t.Error("the earlier's is open")
	}
}

// The longest promise that was held stays, whatever is held later; and a directory
// that was closed knows where its log ends.
func TestWhatTheIdentityKeeps(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	for _, d := range []time.Duration{2 * time.Second, 5 * time.Second, time.Second} {
		if err := f.HoldPromise(d); err != nil {
			t.Fatal(err)
		}
	}
	f.write(1, f.OpenPartition(1, lineage), puts(1, 5, 10)...)
	f.close()
	id, _, err := readIdentity(f.dir, "n1")
	if err != nil {
		t.Fatal(err)
	}
	if s := id.get(); s.HeldPromise != 5*time.Second || s.LogEnd != f.writer.durable.Load() {
		t.Errorf("%+v, the log ends at %d", s, f.writer.durable.Load())
	}
}

// A file that an earlier snapshot left, under the name that the next one takes, is
// not gone on with.
func TestASnapshotBeginsAnew(t *testing.T) {
	t.Parallel()
	from := open(t, small(t.TempDir()))
	from.write(1, from.OpenPartition(1, lineage), puts(1, 20, 100)...)
	s, all := chunks(t, from.Engine, 1)
	to := open(t, small(t.TempDir()))
	left, err := os.ReadFile(partitionPath(filepath.Join(from.dir, "partitions"), 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(receivingPath(to.partitionsDir(), 1, 1), left, 0o600); err != nil {
		t.Fatal(err)
	}
	table := receive(t, to.Engine, 1, s, all)
	for _, e := range puts(1, 20, 100) {
		wantValue(t, table, string(e.Key), string(e.Value), e.Sequence)
	}
}
