package storage

import (
	"encoding/binary"
	"errors"

	"go.etcd.io/bbolt"
	bboltErrors "go.etcd.io/bbolt/errors"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// change is what one synced transaction writes.
type change struct {
	meta     fileMeta
	keys     []string                // sorted
	entries  map[string]*entry.Entry // by key: put or deleted
	requests map[partition.StoreID][]byte
	keyed    keyedResults
	// nextExpiry is when the first value of the file ends, once it is written.
	nextExpiry entry.LoggedTime
}

// write carries a change out, whole and synced, or not at all.
func (f *file) write(c *change) error {
	var a *announced
	var number int
	err := f.update(func(tx *bbolt.Tx) error {
		w := &bucketWriter{tx: tx, sums: f.sums, record: f.sweeping.Load() != nil}
		if _, err := w.make(dataKind); err != nil {
			return err
		}
		for _, k := range c.keys {
			if err := putEntry(w, c.entries[k]); err != nil {
				return err
			}
		}
		if err := putSessions(w, c.requests); err != nil {
			return err
		}
		if err := putKeyed(w, c.keyed, c.meta.logged); err != nil {
			return err
		}
		var err error
		if c.nextExpiry, err = nextExpiry(tx); err != nil {
			return err
		}
		c.meta.sums = w.sums
		if err := putMeta(tx, &c.meta); err != nil {
			return err
		}
		number = tx.ID()
		if s := f.sweeping.Load(); s != nil && w.record {
			a = s.announce(number, w.changes)
		}
		return nil
	})
	if err != nil {
		return err
	}
	f.sums = c.meta.sums
	f.committed.Store(int64(number))
	f.bothMeta.Store(true) // one was valid before, and this has written the other
	if a != nil {
		a.done()
	}
	return nil
}

func putEntry(w *bucketWriter, e *entry.Entry) error {
	old := w.get(dataKind, e.Key)
	if err := unindexExpiry(w, e.Key, old); err != nil {
		return err
	}
	if e.Kind == entry.Delete {
		return w.delete(dataKind, e.Key, old)
	}
	stored := make([]byte, 0, maxValueHeaderSize+len(e.Value))
	stored = appendValue(stored, e.Key, entry.Version{Sequence: e.Sequence, Expires: e.Expires}, e.Value)
	if err := w.put(dataKind, e.Key, old, stored); err != nil {
		return err
	}
	return indexExpiry(w, e.Key, e.Expires)
}

// update runs a write transaction, which is synced when it returns.
func (f *file) update(write func(tx *bbolt.Tx) error) error {
	return guard(f.path, func() (err error) {
		tx, err := f.db.Begin(true)
		if err != nil {
			return err
		}
		ended := false
		defer func() {
			if !ended {
				close(f.stuck)
			}
		}()
		defer func() {
			if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, bboltErrors.ErrTxClosed) {
				err = errors.Join(err, rollback)
			}
			ended = true
		}()
		if err := write(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

func putSessions(w *bucketWriter, sessions map[partition.StoreID][]byte) error {
	if _, err := w.make(sessionKind); err != nil {
		return err
	}
	for origin, s := range sessions {
		key := binary.BigEndian.AppendUint64(nil, uint64(origin))
		if err := w.put(sessionKind, key, w.get(sessionKind, key), s); err != nil {
			return err
		}
	}
	return nil
}

func putMeta(tx *bbolt.Tx, m *fileMeta) error {
	b, err := tx.CreateBucketIfNotExists(metaBucket)
	if err != nil {
		return err
	}
	return b.Put(metaKey, m.encode())
}
