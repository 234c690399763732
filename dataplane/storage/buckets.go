package storage

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"
)

// bucketKind numbers the buckets of a partition's file that a sum covers, in the
// order in which the scrub reads them.
type bucketKind int

const (
	dataKind bucketKind = iota
	expiryKind
	sessionKind
	keyedKind
	keyedAgeKind
	bucketKinds // how many there are
)

var bucketNames = [bucketKinds][]byte{dataBucket, expiryBucket, requestBucket, keyedBucket, keyedAgeBucket}

// bucketSums holds one sum for each bucket: that of itemSum over all its items,
// modulo 2^64. Every flush keeps them, in the transaction that changes the items.
// They show what no checksum of an item can: that one is hidden, or there twice,
// or is an earlier version that a page no longer in use still holds.
type bucketSums [bucketKinds]uint64

// check compares what was read of a bucket with what must be there.
func (s *bucketSums) check(kind bucketKind, read uint64) error {
	if read != s[kind] {
		return fmt.Errorf("%w: the sum of bucket %s is %x, should be %x", ErrDamaged, bucketNames[kind], read, s[kind])
	}
	return nil
}

// itemSum is what an item adds to the sum of its bucket. A value counts with its
// checksums, which stand at its head.
func itemSum(kind bucketKind, key, stored []byte) uint64 {
	if kind == dataKind {
		stored = stored[:min(len(stored), maxValueHeaderSize)]
	}
	return bits.RotateLeft64(xxhash.Sum64(key), 31) * (xxhash.Sum64(stored) | 1)
}

// checkItem checks an item of a bucket against its own checksum.
func checkItem(kind bucketKind, key, stored []byte) (err error) {
	switch kind {
	case dataKind:
		_, _, err = storedValue(key, stored)
	case expiryKind:
		_, _, err = storedExpiry(key, stored)
	case sessionKind:
		_, _, err = storedSession(key, stored)
	case keyedKind:
		_, _, err = decodeKeyed(key, stored)
	case keyedAgeKind:
		_, _, err = storedAge(key, stored)
	}
	return err
}

// indexValue is stored under a key of an index, which has nothing else to store:
// the key's checksum.
func indexValue(key []byte) []byte {
	return binary.LittleEndian.AppendUint32(make([]byte, 0, 4), checksum(key))
}

func checkIndexValue(key, stored []byte, what string) error {
	if len(stored) != 4 || binary.LittleEndian.Uint32(stored) != checksum(key) {
		return fmt.Errorf("%s %x: %w: wrong checksum", what, key, ErrDamaged)
	}
	return nil
}

// sumChange says by how much the change of one key changed the sum of its bucket.
type sumChange struct {
	kind bucketKind
	key  string
	by   uint64
}

// bucketWriter writes to a file's buckets in one transaction, and keeps their
// sums. Everything that is written to them goes through it.
type bucketWriter struct {
	tx      *bbolt.Tx
	buckets [bucketKinds]*bbolt.Bucket // nil: not there, or not used yet
	sums    bucketSums
	record  bool        // whether changes are kept
	changes []sumChange // in the order in which they were made
}

// open returns a bucket, nil if there is none.
func (w *bucketWriter) open(kind bucketKind) *bbolt.Bucket {
	if w.buckets[kind] == nil {
		w.buckets[kind] = w.tx.Bucket(bucketNames[kind])
	}
	return w.buckets[kind]
}

// make returns a bucket, and makes it if there is none.
func (w *bucketWriter) make(kind bucketKind) (*bbolt.Bucket, error) {
	if b := w.open(kind); b != nil {
		return b, nil
	}
	b, err := w.tx.CreateBucket(bucketNames[kind])
	w.buckets[kind] = b
	return b, err
}

// get returns what is stored under a key, nil if there is nothing.
func (w *bucketWriter) get(kind bucketKind, key []byte) []byte {
	if b := w.open(kind); b != nil {
		return b.Get(key)
	}
	return nil
}

// put stores an item in place of old, which is what get returns; nil where the
// caller knows that there is none. Key and stored must not be written to before
// the transaction ends.
func (w *bucketWriter) put(kind bucketKind, key, old, stored []byte) error {
	b, err := w.make(kind)
	if err != nil {
		return err
	}
	by := itemSum(kind, key, stored)
	if old != nil {
		by -= itemSum(kind, key, old)
	}
	w.changed(kind, key, by)
	return b.Put(key, stored)
}

// delete removes an item, if it is there.
func (w *bucketWriter) delete(kind bucketKind, key, old []byte) error {
	if old == nil {
		return nil
	}
	w.changed(kind, key, -itemSum(kind, key, old))
	return w.open(kind).Delete(key)
}

func (w *bucketWriter) changed(kind bucketKind, key []byte, by uint64) {
	w.sums[kind] += by
	if w.record {
		w.changes = append(w.changes, sumChange{kind, string(key), by})
	}
}
