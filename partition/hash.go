package partition

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/cespare/xxhash/v2"
)

// Of returns the partition that a key belongs to, of that many partitions: the
// xxhash64 of the key, or of its hash tag, modulo partitions. It panics where
// partitions is not positive, as a division by zero does.
func Of(key []byte, partitions int) ID {
	return ID(xxhash.Sum64(hashed(key)) % uint64(partitions))
}

// OfString is Of for a key that is a string, which it does not copy.
func OfString(key string, partitions int) ID {
	return Of(unsafe.Slice(unsafe.StringData(key), len(key)), partitions) // only read
}

// hashed is the part of a key that decides its partition: what stands between
// the first '{' and the next '}', unless that is nothing; else all of it. It is
// the rule of Redis Cluster.
func hashed(key []byte) []byte {
	open := bytes.IndexByte(key, '{')
	if open < 0 {
		return key
	}
	tag := key[open+1:]
	if end := bytes.IndexByte(tag, '}'); end > 0 {
		return tag[:end]
	}
	return key
}

// ParseID reads a partition's name, "partition-5" or "5".
func ParseID(s string) (ID, error) {
	digits := strings.TrimPrefix(s, "partition-")
	v, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || strconv.FormatUint(v, 10) != digits {
		return 0, fmt.Errorf("partition %q: want a number, or a name like %q", s, ID(5))
	}
	return ID(v), nil
}
