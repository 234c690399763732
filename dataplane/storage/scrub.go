package storage

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/holdfast-io/holdfast/partition"
)

// scrubBatch is about how many bytes are checked in one read transaction: a
// long one would make the file grow.
const scrubBatch = 128 << 10

// scrubRest is how long the scrubber rests after it has been through all files.
const scrubRest = time.Second

// scrubber reads what is stored, again and again, at a bounded rate, and checks
// it against its checksums: damage to what nobody reads would come to light only
// when the other copies are gone. What it finds is reported as what a read
// finds.
type scrubber struct {
	e     *Engine
	rate  int64 // bytes a second
	quit  chan struct{}
	debt  time.Duration // rest that is due
	pause *time.Timer
}

// run goes on until quit is closed.
func (s *scrubber) run() {
	s.pause = time.NewTimer(0)
	defer s.pause.Stop()
	<-s.pause.C
	for {
		began := time.Now()
		for _, id := range s.e.copiesHere() {
			if !s.file(id) {
				return
			}
		}
		s.e.metrics.scrubbed(time.Since(began))
		if !s.rest(scrubRest) {
			return
		}
	}
}

// copiesHere lists the partitions with a copy, in order.
func (e *Engine) copiesHere() []partition.ID {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []partition.ID
	for id, s := range e.slots {
		if s.table != nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// rest reports whether it was not cut short by the engine's end.
func (s *scrubber) rest(d time.Duration) bool {
	s.pause.Reset(d)
	select {
	case <-s.pause.C:
		return true
	case <-s.quit:
		return false
	}
}

// scrubbed are the buckets whose content has checksums, with their check.
var scrubbed = []struct {
	bucket []byte
	check  func(key, value []byte) error
}{
	{dataBucket, func(k, v []byte) error { _, _, err := storedValue(k, v); return err }},
	{keyedBucket, func(k, v []byte) error { _, _, err := decodeKeyed(k, v); return err }},
	{requestBucket, func(k, v []byte) error { _, _, err := storedSession(k, v); return err }},
}

// file checks one partition's file. It returns false at the engine's end.
func (s *scrubber) file(id partition.ID) bool {
	for _, kind := range scrubbed {
		var after []byte
		var first fileMeta              // before anything of the bucket was read
		sum, all := uint64(0), int64(0) // of what was read of the bucket
		var at ahead
		for more := true; more; {
			_, t, err := s.e.current(id)
			if err != nil {
				return !errors.Is(err, ErrClosed)
			}
			t.mu.RLock()
			f := t.file
			t.mu.RUnlock()
			if f == nil {
				return true
			}
			var read int64
			if after == nil {
				first, err = f.meta()
			}
			if err == nil {
				after, read, err = f.scrub(kind.bucket, after, func(tx *bbolt.Tx) {
					if bytes.Equal(kind.bucket, dataBucket) {
						at.scanned(f, all, tx.Size())
					}
				}, func(k, v []byte) error {
					sum += pairSum(k, v)
					return kind.check(k, v)
				})
			}
			if more = after != nil; err == nil && !more && bytes.Equal(kind.bucket, dataBucket) {
				err = f.sameContent(&first, sum)
			}
			switch {
			case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
				return true // replaced meanwhile
			case err != nil:
				s.e.metrics.scrubFaults.Inc()
				_ = t.check("scrub", err) // told to whoever asked to hear of damage
				return true
			}
			all += read
			s.e.metrics.scrubBytes.Add(float64(read))
			s.debt += time.Duration(float64(read) / float64(s.rate) * float64(time.Second))
			if s.debt < 10*time.Millisecond {
				continue
			}
			if !s.rest(s.debt) {
				return false
			}
			s.debt = 0
		}
	}
	return true
}

// sameContent checks the sum of all values, unless the file was written to while
// they were read.
func (f *file) sameContent(first *fileMeta, sum uint64) error {
	last, err := f.meta()
	if err == nil && last.applied == first.applied && last.content == first.content && sum != first.content {
		err = fmt.Errorf("%s: %w", f.path, wrongContent(sum, first.content))
	}
	return err
}

func wrongContent(sum, want uint64) error {
	return fmt.Errorf("%w: the sum of its content is %x, should be %x", ErrDamaged, sum, want)
}

// scrub checks about scrubBatch bytes of a bucket behind a key, after it has said
// which transaction it reads in. It returns the last key checked, nil at the end.
func (f *file) scrub(bucket, after []byte, begins func(*bbolt.Tx), check func(key, value []byte) error) (last []byte, read int64, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		begins(tx)
		b := tx.Bucket(bucket)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		k, v := c.Seek(after)
		if after != nil && k != nil && string(k) == string(after) {
			k, v = c.Next()
		}
		for ; k != nil; k, v = c.Next() {
			if len(last) > 0 && string(k) <= string(last) {
				return fmt.Errorf("%w: key %q stands behind %q", ErrDamaged, k, last)
			}
			if err := check(k, v); err != nil {
				return err
			}
			last = append(last[:0], k...)
			if read += int64(len(k) + len(v)); read >= scrubBatch {
				return nil
			}
		}
		last = nil
		return nil
	})
	if err != nil {
		return nil, read, fmt.Errorf("%s: %w", f.path, err)
	}
	return last, read, nil
}
