package storage

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// expiryBucket is the file's index of values that end: logged time, 8 bytes
// big-endian, and key → checksum of these. It has exactly the values of the file.
var expiryBucket = []byte("expiry")

// endings are the values with a TTL that came since the last flush began, the
// first to end on top. One that was replaced stays until it is on top.
type endings []*entry.Entry

func (h endings) Len() int           { return len(h) }
func (h endings) Less(i, j int) bool { return h[i].Expires < h[j].Expires }
func (h endings) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *endings) Push(x any) { *h = append(*h, x.(*entry.Entry)) }

// Pop implements heap.Interface.
func (h *endings) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}

// next returns when the first ends, zero if none does.
func (h endings) next() entry.LoggedTime {
	if len(h) == 0 {
		return 0
	}
	return h[0].Expires
}

// fileEndings is the way through a file's index: what lies before after was
// returned already, and next is when the first of the rest ends. Every flush
// begins it anew.
type fileEndings struct {
	round uint64
	after []byte
	next  entry.LoggedTime
}

// NextExpiry returns a logged time before which no value expires, zero where
// none ever does.
func (t *Table) NextExpiry() entry.LoggedTime {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return earliest(earliest(t.endings.next(), t.frozenEndings.next()), t.inFile.next)
}

func earliest(a, b entry.LoggedTime) entry.LoggedTime {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// Expired returns up to most keys whose values may have expired by that time,
// each once: again only after a flush. One goroutine calls it.
func (t *Table) Expired(by entry.LoggedTime, most int) (keys [][]byte, err error) {
	t.mu.Lock()
	keys = t.endings.expired(keys, by, most, func(e *entry.Entry) bool { return t.active[string(e.Key)] == e })
	keys = t.frozenEndings.expired(keys, by, most, func(e *entry.Entry) bool {
		return t.active[string(e.Key)] == nil && t.frozen[string(e.Key)] == e
	})
	f, way := t.file, t.inFile
	t.mu.Unlock()
	if f == nil || way.next == 0 || way.next > by || len(keys) >= most {
		return keys, nil
	}
	found, way, err := f.expired(way, by, most-len(keys))
	if err != nil {
		return keys, t.check("look for expired values", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range found {
		if t.active[string(k)] == nil && t.frozen[string(k)] == nil { // else the file is not the newest
			keys = append(keys, k)
		}
	}
	if t.inFile.round == way.round {
		t.inFile = way
	}
	return keys, nil
}

// expired takes the keys off the top that end by a time, and that are current.
func (h *endings) expired(keys [][]byte, by entry.LoggedTime, most int, current func(*entry.Entry) bool) [][]byte {
	for len(*h) > 0 && (*h)[0].Expires <= by && len(keys) < most {
		if e := heap.Pop(h).(*entry.Entry); current(e) {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

func expiryKey(key []byte, at entry.LoggedTime) []byte {
	return append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(key)), uint64(at)), key...)
}

// storedExpiry returns what an item of the index says. The key aliases it.
func storedExpiry(k, stored []byte) (at entry.LoggedTime, key []byte, err error) {
	const what = "item of the expiry index"
	if err := checkIndexValue(k, stored, what); err != nil {
		return 0, nil, err
	}
	if len(k) < 9 {
		return 0, nil, fmt.Errorf("%s: %w: a key of %d bytes", what, ErrDamaged, len(k))
	}
	return entry.LoggedTime(binary.BigEndian.Uint64(k)), k[8:], nil
}

// expired goes on through the index.
func (f *file) expired(way fileEndings, by entry.LoggedTime, most int) (keys [][]byte, on fileEndings, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		way.next = 0
		b := tx.Bucket(expiryBucket)
		if b == nil {
			return nil
		}
		c := b.Cursor()
		k, stored := c.Seek(way.after)
		if way.after != nil && bytes.Equal(k, way.after) {
			k, stored = c.Next()
		}
		for ; k != nil; k, stored = c.Next() {
			at, key, err := storedExpiry(k, stored)
			if err != nil {
				return err
			}
			if at > by || len(keys) >= most {
				way.next = at
				break
			}
			keys = append(keys, bytes.Clone(key))
			way.after = bytes.Clone(k)
		}
		return nil
	})
	return keys, way, err
}

// nextExpiry returns when the first value of the file ends, zero if none does.
func nextExpiry(tx *bbolt.Tx) (entry.LoggedTime, error) {
	b := tx.Bucket(expiryBucket)
	if b == nil {
		return 0, nil
	}
	k, stored := b.Cursor().First()
	if k == nil {
		return 0, nil
	}
	at, _, err := storedExpiry(k, stored)
	return at, err
}

func (f *file) nextExpiry() (at entry.LoggedTime, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		at, err = nextExpiry(tx)
		return err
	})
	return at, err
}

// unindexExpiry takes a value out of the index that is about to be replaced; old
// is what is stored, nil if there is nothing. It costs nothing where nothing in
// the file has a TTL.
func unindexExpiry(w *bucketWriter, key, old []byte) error {
	if old == nil || w.open(expiryKind) == nil {
		return nil
	}
	v, err := storedVersion(key, old)
	if err != nil || v.Expires == 0 {
		return err
	}
	k := expiryKey(key, v.Expires)
	return w.delete(expiryKind, k, w.get(expiryKind, k))
}

// indexExpiry puts a value into the index that has an end, and is not there yet.
func indexExpiry(w *bucketWriter, key []byte, at entry.LoggedTime) error {
	if at == 0 {
		return nil
	}
	k := expiryKey(key, at)
	return w.put(expiryKind, k, nil, indexValue(k))
}
