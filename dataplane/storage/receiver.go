package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Receiver takes in a snapshot and puts it in place of the partition's copy. One
// goroutine uses it, and ends it with Commit or Abort.
type Receiver struct {
	e          *Engine
	id         partition.ID
	generation uint64
	want       snapshotHeader // hash and logged time apart
	path       string

	file    *file
	tx      *bbolt.Tx     // open between chunks; nil before the first
	writer  *bucketWriter // of tx
	sums    bucketSums    // of what transactions before tx have written
	pending int           // bytes put in tx
	dirty   int           // bytes committed and not synced
	number  uint64        // of the next chunk
	made    bool          // the buckets are
	header  bool          // has come
	whole   bool          // the end has come
	last    []byte        // the last value's key: they come sorted; nil before the first
	hash    uint64
	logged  entry.LoggedTime
	totals  snapshotTotals
	failed  error
}

// receiveBatch is how many bytes are written in one transaction: little, for others
// wait for a processor while it is committed. receiveSync is after how many the file is
// synced: little again, for the log's fsyncs wait for the same disk.
const (
	receiveBatch = 256 << 10
	receiveSync  = 4 << 20
)

// Receive begins to take in a snapshot of the partition as of applied. The copy
// that is here, if any, stays in use until Commit. A later Receive, OpenPartition
// or Drop of the partition makes this one's Commit fail.
func (e *Engine) Receive(id partition.ID, lineage uint32, applied entry.Position) (*Receiver, error) {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil, fmt.Errorf("receive snapshot of %s: %w", id, ErrClosed)
	}
	s := e.slotLocked(id)
	s.generation++
	generation := s.generation
	e.mu.Unlock()
	r := &Receiver{
		e: e, id: id, generation: generation, path: receivingPath(e.partitionsDir(), id, generation),
		want: snapshotHeader{partition: id, lineage: lineage, applied: applied},
	}
	// Generations that were given to snapshots which never came are not in the log,
	// and are given again after a crash: nothing of an earlier one may be found.
	err := os.Remove(r.path)
	if err == nil || errors.Is(err, os.ErrNotExist) {
		r.file, err = openFile(r.path)
	}
	if err != nil {
		return nil, fmt.Errorf("receive snapshot of %s: %w", id, err)
	}
	// Nothing counts on the file before it is whole. The last commit syncs what is
	// left, and says so of all of it.
	r.file.db.NoSync, r.file.db.NoGrowSync = true, true
	return r, nil
}

// Write takes in the next chunk. After an error the only thing left is Abort.
func (r *Receiver) Write(chunk []byte) error {
	if r.failed != nil {
		return r.failed
	}
	err := guard(r.path, func() error { return decodeChunk(chunk, r.number, r.take) })
	if err == nil && (r.pending > receiveBatch || r.whole) {
		err = guard(r.path, r.write)
	}
	if err != nil {
		r.failed = fmt.Errorf("receive snapshot of %s: %w", r.id, err)
		return r.failed
	}
	r.number++
	return nil
}

func (r *Receiver) take(i *chunkItem) (err error) {
	if r.whole || r.header == (i.kind == itemHeader) {
		return fmt.Errorf("%w: item %d out of place", ErrDamaged, i.kind)
	}
	if i.kind == itemHeader {
		r.header, r.hash, r.logged = true, i.header.hash, i.header.logged
		got := i.header
		got.hash, got.logged = 0, 0
		if got != r.want {
			return fmt.Errorf("%w: it is of %s at %v", ErrDamaged, got.partition, got.applied)
		}
	}
	if r.tx == nil {
		if err := r.begin(); err != nil {
			return err
		}
	}
	switch i.kind {
	case itemValue:
		_, version, err := storedValue(i.key, i.stored)
		if err != nil {
			return err
		}
		if version.Expires != 0 {
			if err := indexExpiry(r.writer, i.key, version.Expires); err != nil {
				return err
			}
		}
		if r.last != nil && bytes.Compare(i.key, r.last) <= 0 {
			return fmt.Errorf("%w: key %q comes after %q", ErrDamaged, i.key, r.last)
		}
		r.totals.add(i)
		r.pending += len(i.key) + len(i.stored)
		// bbolt keeps the slices until the commit; the chunk is the caller's.
		r.last = append([]byte(nil), i.key...)
		return r.writer.put(dataKind, r.last, nil, append([]byte(nil), i.stored...))
	case itemSession:
		if _, err := decodeSession(i.origin, i.stored); err != nil {
			return err
		}
		r.totals.add(i)
		return putSessions(r.writer, map[partition.StoreID][]byte{i.origin: append([]byte(nil), i.stored...)})
	case itemKeyed:
		id, m, err := decodeKeyed(i.key, i.stored)
		if err != nil {
			return err
		}
		r.totals.add(i)
		return putKeyed(r.writer, keyedResults{id: m}, 0)
	case itemEnd:
		r.whole = true
		if r.totals != i.totals {
			return fmt.Errorf("%w: it has %+v, should have %+v", ErrDamaged, r.totals, i.totals)
		}
		if sums := &r.writer.sums; sums[sessionKind]+sums[keyedKind] != r.totals.others {
			return fmt.Errorf("%w: a remembered request came twice", ErrDamaged)
		}
	}
	return nil
}

// begin opens a transaction, and makes the buckets in the first: none may be there.
func (r *Receiver) begin() (err error) {
	if r.tx, err = r.file.db.Begin(true); err != nil {
		return err
	}
	r.writer = &bucketWriter{tx: r.tx, sums: r.sums}
	if !r.made {
		for _, name := range [][]byte{dataBucket, requestBucket, metaBucket} {
			if _, err := r.tx.CreateBucket(name); err != nil {
				return err
			}
		}
		r.made = true
	}
	r.writer.open(dataKind).FillPercent = 0.9 // keys come sorted
	return nil
}

// write commits what has come, and syncs it now and then, and at the end: little is
// left to do while the partition's replica waits for its new copy.
func (r *Receiver) write() error {
	r.dirty += r.pending
	if err := r.flush(); err != nil || r.dirty < receiveSync && !r.whole {
		return err
	}
	r.dirty = 0
	return r.file.db.Sync()
}

func (r *Receiver) flush() error {
	if r.tx == nil {
		return nil
	}
	tx := r.tx
	r.sums = r.writer.sums
	r.tx, r.writer, r.pending = nil, nil, 0
	number := tx.ID()
	if err := tx.Commit(); err != nil {
		return err
	}
	r.file.committed.Store(int64(number))
	return nil
}

// Commit puts the snapshot in place of the copy, if it is whole: durably, and
// all or nothing. It waits for the disk. Whatever the result, the receiver is
// done with.
func (r *Receiver) Commit() (*Table, error) {
	t, err := r.commit()
	if err != nil {
		r.Abort()
		return nil, fmt.Errorf("install snapshot of %s: %w", r.id, err)
	}
	return t, nil
}

func (r *Receiver) commit() (*Table, error) {
	if r.failed != nil {
		return nil, r.failed
	}
	if !r.whole {
		return nil, fmt.Errorf("%w: it ends after %d chunks", ErrDamaged, r.number)
	}
	meta := fileMeta{
		store: r.e.identity.get().StoreID, partition: r.id, lineage: r.want.lineage,
		generation: r.generation, applied: r.want.applied, logged: r.logged, hash: r.hash, logEnd: r.e.writer.durable.Load(),
	}
	err := guard(r.path, func() error {
		if r.tx == nil {
			if err := r.begin(); err != nil {
				return err
			}
		}
		meta.sums = r.writer.sums
		r.file.sums = meta.sums
		if err := putMeta(r.tx, &meta); err != nil {
			return err
		}
		r.file.db.NoSync, r.file.db.NoGrowSync = false, false
		return r.flush()
	})
	if err != nil {
		return nil, err
	}
	t := newTable(r.id, r.generation, &r.e.tableBytes, r.e.options.Damaged)
	if err := t.load(r.file, &meta); err != nil {
		return nil, err
	}
	return t, r.e.install(r, t)
}

// Abort gives the snapshot up, and removes what was received.
func (r *Receiver) Abort() {
	if r.file == nil {
		return
	}
	f := r.file
	r.file = nil
	if r.tx != nil {
		_ = r.tx.Rollback() // the file goes
		r.tx = nil
	}
	err := f.Close()
	if r.path == receivingPath(r.e.partitionsDir(), r.id, r.generation) {
		err = errors.Join(err, os.Remove(r.path))
	}
	if err != nil {
		r.e.options.Logger.Warn("a half received snapshot stays until the next start", "partition", uint32(r.id), "err", err)
	}
}
