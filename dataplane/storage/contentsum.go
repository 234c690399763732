package storage

import (
	"fmt"
	"math/bits"

	"github.com/cespare/xxhash/v2"
	"go.etcd.io/bbolt"
)

// pairSum is what a key with its value adds to the sum of a file's content. The
// sum, modulo 2^64, is kept by every flush, in the same transaction. It shows the
// scrubber what no checksum of a key and its value can: that one is hidden, or
// there twice, or is an earlier one that a page no longer in use still holds.
// The value counts with its checksum.
func pairSum(key, stored []byte) uint64 {
	return itemSum(key, stored[:min(len(stored), maxValueHeaderSize)])
}

// itemSum is pairSum for what has no checksum at its head.
func itemSum(key, stored []byte) uint64 {
	return bits.RotateLeft64(xxhash.Sum64(key), 31) * (xxhash.Sum64(stored) | 1)
}

// meta reads the file's meta record.
func (f *file) meta() (m fileMeta, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(metaBucket)
		if b == nil {
			return fmt.Errorf("%w: a bucket is missing", ErrDamaged)
		}
		m, err = decodeFileMeta(b.Get(metaKey))
		return err
	})
	return m, err
}
