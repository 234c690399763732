package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/holdfast-io/holdfast/partition"
)

// scrubBatch is about how many bytes are checked in one read transaction: a
// long one would make the file grow.
const scrubBatch = 128 << 10

// fileScrub checks one partition's file, a little at a time.
type fileScrub struct {
	f      *file
	want   fileMeta // partition and generation
	direct *os.File // nil: reads go through the system's cache
	pages  pageReader
	batch  int64 // bytes read in one transaction, about
	sweep  sweep
	free   *freePages // as of transaction freeOf
	freeOf int
}

// scrub begins to check the file. Nobody may write to it meanwhile.
func (f *file) scrub(id partition.ID, generation uint64) (*fileScrub, error) {
	s := &fileScrub{f: f, want: fileMeta{partition: id, generation: generation}, direct: openDirect(f.handle), batch: scrubBatch}
	var from io.ReaderAt = f.handle
	if s.direct != nil {
		from = s.direct
	}
	s.pages = pageReader{file: from, pageSize: f.pageSize}
	err := s.metaPages()
	if isDamage(err) && s.direct != nil {
		_ = s.direct.Sync() // see step
		err = s.metaPages()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	f.sweeping.Store(&s.sweep)
	return s, nil
}

func (s *fileScrub) close() {
	s.f.sweeping.Store(nil)
	if s.direct != nil {
		_ = s.direct.Close() // it was only read
	}
}

// metaPages checks both meta pages: the older one is what bbolt falls back to. A
// crash may leave one half written; the next flush writes it again.
func (s *fileScrub) metaPages() error {
	valid := 0
	for which := range uint64(2) {
		_, ok, err := s.pages.meta(which)
		if err != nil {
			return err
		}
		if ok {
			valid++
		}
	}
	if valid < 2 && s.f.bothMeta.Load() {
		return fmt.Errorf("%s: %w: one of its two meta pages is", s.f.path, ErrDamaged)
	}
	s.f.bothMeta.Store(valid == 2)
	return nil
}

// step checks about as many bytes as batch says. It returns how many it read, and whether
// that was the rest of the file.
func (s *fileScrub) step() (read int64, done bool, err error) {
	before := s.pages.read
	done, err = s.transaction()
	if isDamage(err) && s.direct != nil {
		// What flushes have written may be on its way to the disk yet. That it cannot
		// be synced is for the flush to find: its own descriptor is told of it too.
		_ = s.direct.Sync()
		s.free, s.freeOf = nil, 0 // it was of what came from the disk
		done, err = s.transaction()
	}
	return s.pages.read - before, done, err
}

// transaction is one read transaction. On an error it leaves the sweep where it was.
func (s *fileScrub) transaction() (done bool, err error) {
	err = guard(s.f.path, func() error {
		var tx *bbolt.Tx
		committed := s.f.committed.Load()
		at, sums, err := s.sweep.begin(func() (number int, err error) {
			if tx, err = s.f.db.Begin(false); err != nil {
				return 0, err
			}
			return tx.ID(), nil
		})
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // of a read transaction: nothing to lose
		to := at
		defer func() {
			if err == nil {
				at = to
			}
			s.sweep.end(at, sums)
		}()
		if err = s.f.current(tx, committed); err != nil {
			return err
		}
		read := sums
		if to, err = s.readFrom(tx.ID(), at, &read); err == nil {
			sums = read
			done = to.kind == bucketKinds
		}
		return err
	})
	return done, err
}

// readFrom goes on from a place, as of the transaction with that number, and adds
// what it reads to the sums. It returns how far it came: not at all where a flush
// was too quick.
func (s *fileScrub) readFrom(number int, at place, sums *bucketSums) (place, error) {
	s.pages.window = s.pages.window[:0]
	m, ok, err := s.pages.meta(uint64(number) % 2)
	if err != nil {
		return at, err
	}
	if !ok || m.number != uint64(number) {
		if next, ok, err := s.pages.meta(uint64(number+1) % 2); err == nil && ok && next.number > uint64(number) {
			return at, nil // two flushes are on their way since
		}
		return at, fmt.Errorf("%w: the meta page of transaction %d", ErrDamaged, number)
	}
	s.pages.end, s.pages.free = m.end, nil
	if s.freeOf == 0 { // a flush writes it anew: then what was read of it says nothing any more
		if s.free, err = s.pages.freelist(m.freelist); err != nil {
			return at, err
		}
		s.freeOf = number
	}
	if s.freeOf == number {
		s.pages.free = s.free
	}
	buckets, err := s.pages.buckets(m.root)
	if err != nil {
		return at, err
	}
	want, err := s.meta(buckets)
	if err != nil {
		return at, err
	}
	for name := range buckets {
		if !known(name) {
			return at, fmt.Errorf("%w: it has a bucket %q", ErrDamaged, name)
		}
	}
	until := s.pages.read + s.batch
	for ; at.kind < bucketKinds; at = (place{kind: at.kind + 1}) {
		w := walk{pages: &s.pages, from: at.key, batch: s.batch, until: until, item: func(k, v []byte) error {
			sums[at.kind] += itemSum(at.kind, k, v)
			return checkItem(at.kind, k, v)
		}}
		if b, there := buckets[string(bucketNames[at.kind])]; there {
			if err := w.bucket(b); errors.Is(err, errEnough) {
				return place{at.kind, w.next}, nil
			} else if err != nil {
				return at, err
			}
		}
		if err := want.sums.check(at.kind, sums[at.kind]); err != nil {
			return at, err
		}
	}
	return at, nil
}

func known(name string) bool {
	for _, n := range bucketNames {
		if name == string(n) {
			return true
		}
	}
	return name == string(metaBucket)
}

// meta reads the file's meta record.
func (s *fileScrub) meta(buckets map[string]bucket) (m fileMeta, err error) {
	found := 0
	w := walk{pages: &s.pages, batch: s.batch, item: func(k, v []byte) error {
		if found++; !bytes.Equal(k, metaKey) {
			return fmt.Errorf("%w: bucket %s has a key %q", ErrDamaged, metaBucket, k)
		}
		m, err = decodeFileMeta(v)
		return err
	}}
	b, there := buckets[string(metaBucket)]
	if there {
		w.until = s.pages.read + s.batch
		if err := w.bucket(b); err != nil {
			return m, err
		}
	}
	if found != 1 || m.partition != s.want.partition || m.generation != s.want.generation {
		return m, fmt.Errorf("%w: it has %d meta records, of %s, generation %d, and should be of %s, generation %d",
			ErrDamaged, found, m.partition, m.generation, s.want.partition, s.want.generation)
	}
	return m, nil
}

// isClosed reports whether an error says that the file was closed meanwhile.
func isClosed(err error) bool {
	return errors.Is(err, bolterrors.ErrDatabaseNotOpen) || errors.Is(err, os.ErrClosed)
}
