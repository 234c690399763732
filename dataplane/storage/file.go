package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

var (
	dataBucket    = []byte("data")     // key → stored value
	requestBucket = []byte("requests") // origin, 8 bytes big-endian → session
	metaBucket    = []byte("meta")
	metaKey       = []byte("meta")
)

// mapSize is the address space given to each file: as long as a file is smaller
// it is never mapped anew, which would wait for the readers, and stop new ones.
const mapSize = 8 << 30

// growStep is by how much a file grows beyond what it needs.
const growStep = 1 << 20

// fileMeta is what a partition's file says of itself.
type fileMeta struct {
	store      partition.StoreID
	partition  partition.ID
	lineage    uint32
	generation uint64
	applied    entry.Position
	logged     entry.LoggedTime // as of applied
	hash       uint64           // rolling hash of the entries up to applied
	logEnd     uint64           // an index that the log had reached when this was written
	sums       bucketSums       // of everything else in the file
}

const fileMetaVersion = 4

func (m *fileMeta) encode() []byte {
	b := []byte{fileMetaVersion}
	b = binary.LittleEndian.AppendUint64(b, uint64(m.store))
	b = binary.AppendUvarint(b, uint64(m.partition))
	b = binary.LittleEndian.AppendUint32(b, m.lineage)
	b = binary.AppendUvarint(b, m.generation)
	b = appendPosition(b, m.applied)
	b = binary.AppendUvarint(b, uint64(m.logged))
	b = binary.LittleEndian.AppendUint64(b, m.hash)
	b = binary.AppendUvarint(b, m.logEnd)
	for _, sum := range m.sums {
		b = binary.LittleEndian.AppendUint64(b, sum)
	}
	return seal(b, 0)
}

func decodeFileMeta(b []byte) (fileMeta, error) {
	const what = "partition file's meta record"
	body, err := unseal(b, what)
	if err != nil {
		return fileMeta{}, err
	}
	r := reader{b: body, what: what}
	if v := r.byte("version"); r.err == nil && v != fileMetaVersion {
		return fileMeta{}, fmt.Errorf("%s: %w: it has version %d, this program knows %d; start the version that wrote it, or start on an empty directory, and the node is filled from the others",
			what, ErrOtherFormat, v, fileMetaVersion)
	}
	m := fileMeta{store: partition.StoreID(r.uint64("store"))}
	m.partition = r.partition()
	m.lineage = r.uint32("lineage")
	m.generation = r.uvarint("generation")
	m.applied = r.position()
	m.logged = entry.LoggedTime(r.uvarint("logged time"))
	m.hash = r.uint64("hash")
	m.logEnd = r.uvarint("log end")
	for kind := range m.sums {
		m.sums[kind] = r.uint64("sum")
	}
	return m, r.end()
}

// file is a partition's bbolt file, open.
type file struct {
	path     string     // may be renamed under it
	sums     bucketSums // as in the meta record: whoever writes the file has them
	db       *bbolt.DB
	handle   *os.File // db's
	pageSize int

	// committed is the number of the last transaction that must be there: a
	// reader that is given an earlier one reads what was replaced.
	committed atomic.Int64
	sweeping  atomic.Pointer[sweep] // the scrub's way through the file, while there is one
	bothMeta  atomic.Bool           // both of bbolt's meta pages are known to have been whole

	mu        sync.Mutex
	snapshots map[*Snapshot]struct{}

	// stuck is closed when a write transaction cannot be ended: bbolt gave up in the
	// middle, over a damaged page, and keeps the lock that closing waits for.
	stuck chan struct{}

	mapping sync.Mutex // guards closed, and the addresses that the file is mapped to
	closed  bool
}

// openFile opens a bbolt file, and makes it if there is none.
func openFile(path string) (*file, error) {
	f := &file{path: path, snapshots: map[*Snapshot]struct{}{}, stuck: make(chan struct{})}
	err := guard(path, func() (err error) {
		f.db, err = bbolt.Open(path, 0o644, &bbolt.Options{
			Timeout: time.Second, FreelistType: bbolt.FreelistArrayType, InitialMmapSize: mapSize, NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (_ *os.File, err error) {
				f.handle, err = os.OpenFile(name, flag, mode)
				return f.handle, err
			},
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		f.db.AllocSize, f.pageSize = growStep, f.db.Info().PageSize
		return nil
	})
	return f, err
}

// openExisting opens a partition's file and reads its meta record. A file that
// a crash came over while it was made has none, and is reported as damaged.
func openExisting(path string) (f *file, m fileMeta, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, m, err
	}
	if f, err = openFile(path); err != nil {
		return nil, m, err
	}
	err = f.view(func(tx *bbolt.Tx) error {
		if size := tx.Size(); size > info.Size() {
			return fmt.Errorf("%w: it has %d bytes, and lacks %d", ErrDamaged, info.Size(), size-info.Size())
		}
		b := tx.Bucket(metaBucket)
		if b == nil || tx.Bucket(dataBucket) == nil || tx.Bucket(requestBucket) == nil {
			return fmt.Errorf("%w: a bucket is missing", ErrDamaged)
		}
		f.committed.Store(int64(tx.ID()))
		m, err = decodeFileMeta(b.Get(metaKey))
		return err
	})
	if err != nil {
		return nil, m, join(err, f)
	}
	f.sums = m.sums
	return f, m, nil
}

// view runs a read transaction.
func (f *file) view(read func(tx *bbolt.Tx) error) error {
	return guard(f.path, func() error {
		committed := f.committed.Load()
		tx, err := f.db.Begin(false)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // of a read transaction: nothing to lose
		if err := f.current(tx, committed); err != nil {
			return err
		}
		return read(tx)
	})
}

// current checks that a transaction reads the newest state. bbolt falls back to
// the state before, without a word, where the newer of its meta pages is damaged.
func (f *file) current(tx *bbolt.Tx, committed int64) error {
	if int64(tx.ID()) < committed {
		return fmt.Errorf("%w: its newest meta page is: it shows transaction %d, and %d was committed", ErrDamaged, tx.ID(), committed)
	}
	return nil
}

// lookup returns the version of a key's value.
func (f *file) lookup(key []byte) (version entry.Version, found bool, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		stored, err := findValue(tx, key)
		if stored == nil || err != nil {
			return err
		}
		found = true
		version, err = storedVersion(key, stored)
		return err
	})
	return version, found && err == nil, err
}

// get returns a copy of a key's value too.
func (f *file) get(key []byte) (value []byte, version entry.Version, found bool, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		stored, err := findValue(tx, key)
		if stored == nil || err != nil {
			return err
		}
		found = true
		value, version, err = storedValue(key, stored)
		value = bytes.Clone(value)
		return err
	})
	return value, version, found && err == nil, err
}

// find returns what is stored under a key of a bucket, nil if there is nothing.
// That there is nothing is believed only where the keys on both sides are in
// order and whole: a key in a page that was damaged would not be found, and
// neither would those that a search passes by on its way past one. Where a single
// key of a leaf or a branch is wrong, it is the one on the left or the right, or
// these are out of order. (What bbolt's pages say of where their keys are has no
// checksum: damage there can hide a key until the scrub comes there.)
func find(b *bbolt.Bucket, key []byte, check func(key, stored []byte) error) ([]byte, error) {
	c := b.Cursor()
	k, stored := c.Seek(key)
	if bytes.Equal(k, key) && k != nil {
		if stored == nil { // its page says that it is a bucket
			return nil, fmt.Errorf("%w: key %q has no value", ErrDamaged, key)
		}
		return stored, nil
	}
	before := c.Prev
	if k == nil {
		before = c.Last
	} else if err := check(k, stored); err != nil {
		return nil, fmt.Errorf("on the way to key %q: %w", key, err)
	}
	left, stored := before()
	if left != nil {
		if err := check(left, stored); err != nil {
			return nil, fmt.Errorf("on the way to key %q: %w", key, err)
		}
	}
	if left != nil && bytes.Compare(left, key) >= 0 || k != nil && bytes.Compare(k, key) < 0 {
		return nil, fmt.Errorf("%w: key %q would stand between %q and %q", ErrDamaged, key, left, k)
	}
	return nil, nil
}

// findValue is find for the values of keys.
func findValue(tx *bbolt.Tx, key []byte) ([]byte, error) {
	return find(tx.Bucket(dataBucket), key, func(k, stored []byte) error {
		_, err := storedVersion(k, stored)
		return err
	})
}

// loadRequests reads the remembered requests. A file that hides one is damaged.
func (f *file) loadRequests() (requests, error) {
	r := newRequests()
	err := f.view(func(tx *bbolt.Tx) error {
		sum := uint64(0)
		err := tx.Bucket(requestBucket).ForEach(func(k, v []byte) error {
			origin, s, err := storedSession(k, v)
			r.origins[origin] = s
			sum += itemSum(sessionKind, k, v)
			return err
		})
		if err != nil {
			return err
		}
		return f.sums.check(sessionKind, sum)
	})
	return r, err
}

// Close ends the snapshots that read from the file, and closes it. Of a file that
// is stuck, the mapping stays until the process ends.
func (f *file) Close() error {
	f.mu.Lock()
	open := f.snapshots
	f.snapshots = nil // no more
	f.mu.Unlock()
	for s := range open {
		s.end()
	}
	f.mapping.Lock()
	f.closed = true
	f.mapping.Unlock()
	select {
	case <-f.stuck:
		return f.release()
	default:
	}
	closed := make(chan error, 1)
	go func() { closed <- f.db.Close() }()
	select {
	case err := <-closed:
		return err
	case <-f.stuck: // while it waited for a flush
		return f.release()
	}
}

// release gives up a stuck file: its lock, which the mapping would keep, and its
// descriptor.
func (f *file) release() error {
	raw, err := f.handle.SyscallConn()
	if err != nil {
		return err
	}
	var fault error
	err = raw.Control(func(fd uintptr) { fault = unix.Flock(int(fd), unix.LOCK_UN) })
	return errors.Join(err, fault, f.handle.Close())
}

// partitionPath is where a partition's file is.
func partitionPath(dir string, id partition.ID) string {
	return filepath.Join(dir, fmt.Sprintf("%05d.db", uint32(id)))
}

// receivingPath is where a snapshot's file is until it is whole and its switch
// is in the log.
func receivingPath(dir string, id partition.ID, generation uint64) string {
	return fmt.Sprintf("%s.%d.receiving", partitionPath(dir, id), generation)
}
