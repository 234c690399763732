package storage

import (
	"encoding/binary"
	"fmt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// A stored value is: the sequence that set it (8 bytes, the highest bit says that
// a logged time follows, 8 bytes, from which the value is gone), a checksum of
// key and all that, a checksum of the value too, the value. bbolt checks only its
// two meta pages; and a Lookup need not read the value to be sure.
const (
	valueHeaderSize    = 8 + 4 + 4
	maxValueHeaderSize = valueHeaderSize + 8
	expiresFlag        = 1 << 63
)

func appendValue(dst, key []byte, v entry.Version, value []byte) []byte {
	start := len(dst)
	if v.Expires != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, v.Sequence|expiresFlag)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v.Expires))
	} else {
		dst = binary.LittleEndian.AppendUint64(dst, v.Sequence)
	}
	head, whole := valueSums(key, dst[start:], value)
	dst = binary.LittleEndian.AppendUint32(dst, head)
	dst = binary.LittleEndian.AppendUint32(dst, whole)
	return append(dst, value...)
}

func valueSums(key, version, value []byte) (head, whole uint32) {
	head = crcAdd(checksum(key), version)
	return head, crcAdd(head, value)
}

// storedVersion returns the version of a stored value.
func storedVersion(key, stored []byte) (entry.Version, error) {
	v, _, err := storedHead(key, stored)
	return v, err
}

// storedHead returns the size of the version's encoding too.
func storedHead(key, stored []byte) (v entry.Version, size int, err error) {
	fault := func() (entry.Version, int, error) {
		return entry.Version{}, 0, fmt.Errorf("version of key %q: %w: wrong checksum", key, ErrDamaged)
	}
	if len(stored) < valueHeaderSize {
		return fault()
	}
	v.Sequence, size = binary.LittleEndian.Uint64(stored), 8
	if v.Sequence&expiresFlag != 0 {
		if len(stored) < maxValueHeaderSize {
			return fault()
		}
		v.Sequence &^= expiresFlag
		v.Expires, size = entry.LoggedTime(binary.LittleEndian.Uint64(stored[8:])), 16
		if v.Expires == 0 {
			return fault()
		}
	}
	if crcAdd(checksum(key), stored[:size]) != binary.LittleEndian.Uint32(stored[size:]) {
		return fault()
	}
	return v, size, nil
}

// storedValue returns the value too. It aliases stored.
func storedValue(key, stored []byte) (value []byte, v entry.Version, err error) {
	v, size, err := storedHead(key, stored)
	if err != nil {
		return nil, v, err
	}
	value = stored[size+8:]
	if _, whole := valueSums(key, stored[:size], value); whole != binary.LittleEndian.Uint32(stored[size+4:]) {
		return nil, entry.Version{}, fmt.Errorf("value of key %q: %w: wrong checksum", key, ErrDamaged)
	}
	return value, v, nil
}
