package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bboltErrors "go.etcd.io/bbolt/errors"

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
	content    uint64           // sum of pairSum over all values
}

const fileMetaVersion = 3

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
	b = binary.LittleEndian.AppendUint64(b, m.content)
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
	m.content = r.uint64("content")
	return m, r.end()
}

// file is a partition's bbolt file, open.
type file struct {
	path    string // may be renamed under it
	content uint64 // as in the meta record: whoever writes the file has it
	db      *bbolt.DB

	mu        sync.Mutex
	snapshots map[*Snapshot]struct{}

	mapping sync.Mutex // guards closed, and the addresses that the file is mapped to
	closed  bool
}

// openFile opens a bbolt file, and makes it if there is none.
func openFile(path string) (*file, error) {
	f := &file{path: path, snapshots: map[*Snapshot]struct{}{}}
	err := guard(path, func() (err error) {
		f.db, err = bbolt.Open(path, 0o644, &bbolt.Options{
			Timeout: time.Second, FreelistType: bbolt.FreelistArrayType, InitialMmapSize: mapSize, NoStatistics: true,
		})
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		f.db.AllocSize = growStep
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
		m, err = decodeFileMeta(b.Get(metaKey))
		return err
	})
	if err != nil {
		return nil, m, join(err, f)
	}
	f.content = m.content
	return f, m, nil
}

// view runs a read transaction.
func (f *file) view(read func(tx *bbolt.Tx) error) error {
	return guard(f.path, func() error {
		tx, err := f.db.Begin(false)
		if err != nil {
			return err
		}
		defer tx.Rollback() //nolint:errcheck // of a read transaction: nothing to lose
		return read(tx)
	})
}

// lookup returns the version of a key's value.
func (f *file) lookup(key []byte) (version entry.Version, found bool, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		stored, err := find(tx, key)
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
		stored, err := find(tx, key)
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

// find returns what is stored under a key, nil if there is nothing. That there
// is nothing is believed only where the keys on both sides are in order and
// whole: a key in a page that was damaged would not be found, and neither would
// those that a search passes by on its way past one. Where a single key of a
// leaf or a branch is wrong, it is the one on the left or the right, or these
// are out of order. (What bbolt's pages say of where their keys are has no
// checksum: damage there can hide a key.)
func find(tx *bbolt.Tx, key []byte) ([]byte, error) {
	c := tx.Bucket(dataBucket).Cursor()
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
	} else if _, err := storedVersion(k, stored); err != nil {
		return nil, fmt.Errorf("on the way to key %q: %w", key, err)
	}
	left, stored := before()
	if left != nil {
		if _, err := storedVersion(left, stored); err != nil {
			return nil, fmt.Errorf("on the way to key %q: %w", key, err)
		}
	}
	if left != nil && bytes.Compare(left, key) >= 0 || k != nil && bytes.Compare(k, key) < 0 {
		return nil, fmt.Errorf("%w: key %q would stand between %q and %q", ErrDamaged, key, left, k)
	}
	return nil, nil
}

// loadRequests reads the remembered requests.
func (f *file) loadRequests() (requests, error) {
	r := newRequests()
	err := f.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(requestBucket).ForEach(func(k, v []byte) error {
			origin, s, err := storedSession(k, v)
			r.origins[origin] = s
			return err
		})
	})
	return r, err
}

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
	c.meta.content = f.content
	err := f.update(func(tx *bbolt.Tx) error {
		data, err := tx.CreateBucketIfNotExists(dataBucket)
		if err != nil {
			return err
		}
		index := openExpiryIndex(tx)
		for _, k := range c.keys {
			if err := putEntry(data, &index, c.entries[k], &c.meta.content); err != nil {
				return err
			}
		}
		if c.nextExpiry, err = nextExpiry(tx); err != nil {
			return err
		}
		if err := putSessions(tx, c.requests); err != nil {
			return err
		}
		if err := putKeyed(tx, c.keyed, c.meta.logged); err != nil {
			return err
		}
		return putMeta(tx, &c.meta)
	})
	if err == nil {
		f.content = c.meta.content
	}
	return err
}

func putEntry(data *bbolt.Bucket, index *expiryIndex, e *entry.Entry, content *uint64) error {
	if err := index.replaced(data, e.Key); err != nil {
		return err
	}
	if old := data.Get(e.Key); old != nil {
		*content -= pairSum(e.Key, old)
	}
	if e.Kind == entry.Delete {
		return data.Delete(e.Key)
	}
	stored := make([]byte, 0, maxValueHeaderSize+len(e.Value))
	stored = appendValue(stored, e.Key, entry.Version{Sequence: e.Sequence, Expires: e.Expires}, e.Value)
	if err := data.Put(e.Key, stored); err != nil {
		return err
	}
	*content += pairSum(e.Key, stored)
	return index.add(e.Key, e.Expires)
}

// update runs a write transaction, which is synced when it returns.
func (f *file) update(write func(tx *bbolt.Tx) error) error {
	return guard(f.path, func() (err error) {
		tx, err := f.db.Begin(true)
		if err != nil {
			return err
		}
		defer func() {
			if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, bboltErrors.ErrTxClosed) {
				err = errors.Join(err, rollback)
			}
		}()
		if err := write(tx); err != nil {
			return err
		}
		return tx.Commit()
	})
}

func putSessions(tx *bbolt.Tx, sessions map[partition.StoreID][]byte) error {
	b, err := tx.CreateBucketIfNotExists(requestBucket)
	if err != nil {
		return err
	}
	for origin, s := range sessions {
		if err := b.Put(binary.BigEndian.AppendUint64(nil, uint64(origin)), s); err != nil {
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

// Close ends the snapshots that read from the file, and closes it.
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
	return f.db.Close()
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
