package storage

import (
	"encoding/binary"
	"fmt"
)

// A stored value is: the sequence that set it (8 bytes), a checksum of key and
// sequence, a checksum of key, sequence and value, the value. bbolt checks only
// its two meta pages; and a Lookup need not read the value to be sure.
const valueHeaderSize = 8 + 4 + 4

func appendValue(dst, key []byte, sequence uint64, value []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, sequence)
	head, whole := valueSums(key, dst[start:start+8], value)
	dst = binary.LittleEndian.AppendUint32(dst, head)
	dst = binary.LittleEndian.AppendUint32(dst, whole)
	return append(dst, value...)
}

func valueSums(key, sequence, value []byte) (head, whole uint32) {
	head = crcAdd(checksum(key), sequence)
	return head, crcAdd(head, value)
}

// storedVersion returns the sequence of a stored value.
func storedVersion(key, stored []byte) (uint64, error) {
	if len(stored) < valueHeaderSize ||
		crcAdd(checksum(key), stored[:8]) != binary.LittleEndian.Uint32(stored[8:]) {
		return 0, fmt.Errorf("version of key %q: %w: wrong checksum", key, ErrDamaged)
	}
	return binary.LittleEndian.Uint64(stored), nil
}

// storedValue returns the value too. It aliases stored.
func storedValue(key, stored []byte) (value []byte, sequence uint64, err error) {
	if sequence, err = storedVersion(key, stored); err != nil {
		return nil, 0, err
	}
	value = stored[valueHeaderSize:]
	if _, whole := valueSums(key, stored[:8], value); whole != binary.LittleEndian.Uint32(stored[12:]) {
		return nil, 0, fmt.Errorf("value of key %q: %w: wrong checksum", key, ErrDamaged)
	}
	return value, sequence, nil
}
