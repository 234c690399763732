package storage

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"go.etcd.io/bbolt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Snapshot is a partition's state as of one position, read chunk by chunk. It
// must be closed: while it is open the partition's file does not reuse space.
type Snapshot struct {
	Applied   entry.Position
	Lineage   uint32
	Estimated int64 // bytes in all chunks together, roughly

	table *Table
	file  *file
	mu    sync.Mutex
	tx    *bbolt.Tx // nil once it has ended

	header  snapshotHeader
	number  uint64
	ahead   ahead
	read    int64 // bytes of chunks so far
	values  *bbolt.Cursor
	session *bbolt.Cursor
	keyed   *bbolt.Cursor // nil: the file has none
	totals  snapshotTotals
	sums    bucketSums // of the file: what totals must come to in the end
	key     []byte     // the cursor's place; nil: not begun, or through
	stored  []byte
	stage   byte // what comes next: itemHeader, itemValue, itemSession, itemKeyed, itemEnd; zero: nothing
}

// Snapshot begins a snapshot of the partition as it is now. It writes the table
// to the file first, so it waits for the disk.
func (e *Engine) Snapshot(id partition.ID) (*Snapshot, error) {
	if err := e.flush(id, true); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	_, t, err := e.current(id)
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	t.mu.RLock()
	f := t.file
	t.mu.RUnlock()
	if f == nil {
		return nil, fmt.Errorf("snapshot: %s: %w", id, ErrNoCopy) // replaced just now
	}
	facts, _ := e.catalogue.get(id)
	s := &Snapshot{table: t, file: f, Lineage: facts.lineage, stage: itemHeader}
	if err := s.begin(id); err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", id, err)
	}
	return s, nil
}

func (s *Snapshot) begin(id partition.ID) error {
	return guard(s.file.path, func() error {
		// Registered before the transaction begins: closing the file waits for
		// transactions, so it must know whom to end.
		s.file.mu.Lock()
		defer s.file.mu.Unlock()
		if s.file.snapshots == nil {
			return ErrClosed
		}
		committed := s.file.committed.Load()
		tx, err := s.file.db.Begin(false)
		if err != nil {
			return err
		}
		if err := s.file.current(tx, committed); err != nil {
			return join(err, rollback{tx})
		}
		m, err := decodeFileMeta(tx.Bucket(metaBucket).Get(metaKey))
		if err != nil {
			return join(err, rollback{tx})
		}
		s.tx, s.Applied, s.Estimated, s.sums = tx, m.applied, tx.Size(), m.sums
		s.header = snapshotHeader{partition: id, lineage: s.Lineage, applied: m.applied, logged: m.logged, hash: m.hash}
		if b := tx.Bucket(keyedBucket); b != nil {
			s.keyed = b.Cursor()
		}
		s.values, s.session = tx.Bucket(dataBucket).Cursor(), tx.Bucket(requestBucket).Cursor()
		s.file.snapshots[s] = struct{}{}
		return nil
	})
}

type rollback struct{ tx *bbolt.Tx }

func (r rollback) Close() error { return r.tx.Rollback() }

// Next returns the next chunk: about 64 KiB, more where a single value is
// larger. After the last one the error is io.EOF. The chunk is the caller's. Damage
// that it meets is reported as that of a read.
func (s *Snapshot) Next() (chunk []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stage == 0 {
		return nil, io.EOF
	}
	if s.tx == nil {
		return nil, fmt.Errorf("snapshot of %s: %w", s.header.partition, ErrClosed)
	}
	s.ahead.scanned(s.file, s.read, s.Estimated)
	b := beginChunk(s.number, chunkTarget+4096)
	err = guard(s.file.path, func() error {
		for len(b) < chunkTarget && s.stage != 0 {
			i, err := s.item()
			if err != nil {
				return err
			}
			b = appendItem(b, &i)
		}
		return nil
	})
	if err != nil {
		return nil, s.table.check("snapshot", err)
	}
	s.number++
	s.read += int64(len(b))
	return seal(b, 0), nil
}

// item returns the next item and moves on.
func (s *Snapshot) item() (chunkItem, error) {
	switch s.stage {
	case itemHeader:
		s.stage = itemValue
		s.key, s.stored = s.values.First()
		s.skipStages()
		return chunkItem{kind: itemHeader, header: s.header}, nil
	case itemValue:
		i := chunkItem{kind: itemValue, key: s.key, stored: s.stored}
		if _, _, err := storedValue(i.key, i.stored); err != nil {
			return i, err
		}
		s.totals.add(&i)
		s.key, s.stored = s.values.Next()
		s.skipStages()
		return i, nil
	case itemSession:
		if len(s.key) != 8 {
			return chunkItem{}, fmt.Errorf("%w: origin of %d bytes", ErrDamaged, len(s.key))
		}
		i := chunkItem{kind: itemSession, origin: partition.StoreID(binary.BigEndian.Uint64(s.key)), stored: s.stored}
		s.totals.add(&i)
		s.key, s.stored = s.session.Next()
		s.skipStages()
		return i, nil
	case itemKeyed:
		i := chunkItem{kind: itemKeyed, key: s.key, stored: s.stored}
		if _, _, err := decodeKeyed(i.key, i.stored); err != nil {
			return i, err
		}
		s.totals.add(&i)
		s.key, s.stored = s.keyed.Next()
		s.skipStages()
		return i, nil
	default:
		if err := s.sums.check(dataKind, s.totals.content); err != nil {
			return chunkItem{}, err
		}
		if got, want := s.totals.others, s.sums[sessionKind]+s.sums[keyedKind]; got != want {
			return chunkItem{}, fmt.Errorf("%w: the sum of remembered requests is %x, should be %x", ErrDamaged, got, want)
		}
		s.stage = 0
		return chunkItem{kind: itemEnd, totals: s.totals}, nil
	}
}

// skipStages goes on to the next stage where the cursor is through.
func (s *Snapshot) skipStages() {
	if s.stage == itemValue && s.key == nil {
		s.stage = itemSession
		s.key, s.stored = s.session.First()
	}
	if s.stage == itemSession && s.key == nil {
		s.stage = itemKeyed
		if s.keyed != nil {
			s.key, s.stored = s.keyed.First()
		}
	}
	if s.stage == itemKeyed && s.key == nil {
		s.stage = itemEnd
	}
}

// Close ends the snapshot. It may be called more than once.
func (s *Snapshot) Close() error {
	s.file.mu.Lock()
	delete(s.file.snapshots, s)
	s.file.mu.Unlock()
	s.end()
	return nil
}

// end gives the transaction up.
func (s *Snapshot) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tx != nil {
		_ = s.tx.Rollback() // of a read transaction: nothing to lose
		s.tx = nil
	}
}
