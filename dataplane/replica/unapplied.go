package replica

import (
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// Unapplied tells readers outside the executor whether a key is clean: whether
// the log has no entry for it beyond what is applied (R1). It counts the entries
// by a hash of their keys, so that a key may pass for dirty that is not, and
// never the other way round. An entry is counted before it is handed to the
// disk, so before its acknowledgement leaves, and no more once it is readable.
//
// The replica's owner writes it; everybody may read.
type Unapplied struct {
	counts [unappliedCounts]atomic.Uint32
}

// A partition has few entries beyond applied, some dozens under load: among 512
// counts a clean key rarely shares one with them. 2 KiB a replica.
const (
	unappliedBits   = 9
	unappliedCounts = 1 << unappliedBits
)

// unappliedAt is the count of a key. Keys of one partition have their hash's
// remainder in common, so its bits are mixed first.
func unappliedAt(key []byte) uint64 {
	const golden = 0x9e3779b97f4a7c15
	return xxhash.Sum64(key) * golden >> (64 - unappliedBits)
}

// Clean reports whether a key has no entry beyond what is applied. A value that
// is read after it said so, from the state, is the newest at some moment since.
func (u *Unapplied) Clean(key []byte) bool { return u.counts[unappliedAt(key)].Load() == 0 }

func (u *Unapplied) add(e *entry.Entry) {
	if e.Kind != entry.Marker {
		u.counts[unappliedAt(e.Key)].Add(1)
	}
}

func (u *Unapplied) remove(e *entry.Entry) {
	if e.Kind != entry.Marker {
		u.counts[unappliedAt(e.Key)].Add(^uint32(0))
	}
}
