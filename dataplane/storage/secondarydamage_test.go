package storage

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/entry"
)

// leafOf returns the number and the content of a bucket's leaf in the middle.
func (b *busyFile) leafOf(kind bucketKind) (id int, page []byte) {
	b.t.Helper()
	_, leaves := b.layout(kind)
	id = leaves[len(leaves)/2]
	return id, b.page(id)
}

// flipKey changes a bit of an item's key, and returns the key as it was.
func (b *busyFile) flipKey(kind bucketKind) []byte {
	b.t.Helper()
	id, page := b.leafOf(kind)
	at, keySize, _ := elementOf(page, 2)
	b.writeBytes(id, at+keySize-1, page[at+keySize-1]^1)
	return bytes.Clone(page[at : at+keySize])
}

// hide takes the last item of a leaf away.
func (b *busyFile) hide(kind bucketKind) {
	b.t.Helper()
	id, page := b.leafOf(kind)
	b.writeBytes(id, 10, page[10]-1)
}

// A request whose idempotency key a damaged page hides would be applied twice.
func TestHiddenIdempotencyKeyIsNotTakenForNone(t *testing.T) {
	t.Parallel()
	b := newBusyFile(t, small(t.TempDir()), 1)
	id := entry.IdempotencyID(b.flipKey(keyedKind))
	if _, found, err := b.table.Remembered(id); !errors.Is(err, ErrDamaged) {
		t.Errorf("found %v, %v", found, err)
	}
	if b.damaged.Load() != 1 {
		t.Errorf("it was told %d times", b.damaged.Load())
	}
}

// An item of an index says what it was written as, or that it is damaged.
func TestDamagedItemOfAnIndexIsReported(t *testing.T) {
	t.Parallel()
	t.Run("expiry", func(t *testing.T) {
		t.Parallel()
		b := newBusyFile(t, small(t.TempDir()), 1)
		b.flipKey(expiryKind)
		if keys, err := b.table.Expired(1<<60, 1<<20); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d keys, %v", len(keys), err)
		}
	})
	t.Run("age of idempotency keys", func(t *testing.T) {
		t.Parallel()
		b := newBusyFile(t, small(t.TempDir()), 1)
		b.flipKey(keyedAgeKind)
		e := put(b.next, "later", "")
		e.Logged = entry.Remember * 2 // all are forgotten
		b.write(1, b.table, e)
		if err := b.flush(1, false); !errors.Is(err, ErrDamaged) {
			t.Errorf("the flush says %v", err)
		}
	})
}

// A copy whose remembered requests are not all there would apply one twice.
func TestHiddenRequestsMakeACopyLost(t *testing.T) {
	t.Parallel()
	b := newBusyFile(t, small(t.TempDir()), 1)
	b.hide(sessionKind)
	again := open(t, small(image(t, b.dir)))
	if lost := again.Lost(); len(lost) != 1 || !errors.Is(lost[0].Reason, ErrDamaged) {
		t.Errorf("lost: %v", lost)
	}
}

// No copy is made of a file that lacks something, whatever it is.
func TestSnapshotOfAFileThatHidesSomethingFails(t *testing.T) {
	t.Parallel()
	for _, kind := range []bucketKind{dataKind, sessionKind, keyedKind} {
		t.Run(string(bucketNames[kind]), func(t *testing.T) {
			t.Parallel()
			b := newBusyFile(t, small(t.TempDir()), 1)
			b.hide(kind)
			s, err := b.Snapshot(1)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for err == nil {
				_, err = s.Next()
			}
			if !errors.Is(err, ErrDamaged) || b.damaged.Load() != 1 {
				t.Errorf("%v, told %d times", err, b.damaged.Load())
			}
		})
	}
}
