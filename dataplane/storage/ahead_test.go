package storage

import (
	"errors"
	"testing"

	"go.etcd.io/bbolt"
)

// A file is asked for once, all of it, by the time that half of it is scanned.
func TestAScanIsAskedForAhead(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{1, 4096, aheadWindow - 1, aheadWindow, 7<<20 + 4096, 1 << 30} {
		var a ahead
		asked, calls := int64(0), int64(0)
		for read := int64(0); read < size; read += 64 << 10 {
			from, to := a.due(read, size)
			if from < to {
				if calls++; from != asked || to > size {
					t.Fatalf("of %d bytes, with %d read: %d to %d, after %d", size, read, from, to, asked)
				}
				asked = to
			}
			if asked < min(size, read+aheadWindow/2) || read >= size/2 && asked < size {
				t.Fatalf("of %d bytes, with %d read: asked for %d", size, read, asked)
			}
		}
		if calls > 2+size/(2*aheadPiece) {
			t.Errorf("%d bytes in %d calls", size, calls)
		}
	}
}

// What is asked for is what the system takes; a file that is closed meanwhile is let
// alone, for its addresses may be another's.
func TestTheSystemTakesWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	f.write(1, table, puts(1, 4000, 1000)...)
	if err := f.flush(1, true); err != nil {
		t.Fatal(err)
	}
	file := f.fileOf(f.slots[1])
	var size int64
	err := file.view(func(tx *bbolt.Tx) error {
		size = tx.Size()
		var a ahead
		for read := int64(0); read < size; read += chunkTarget + 77 {
			if from, to := a.due(read, size); from < to {
				if err := file.willNeed(from, to); err != nil {
					t.Errorf("%d to %d of %d: %v", from, to, size, err)
				}
			}
		}
		return nil
	})
	if err != nil || size < 4*aheadWindow {
		t.Fatalf("%d bytes, %v", size, err)
	}
	f.OpenPartition(1, lineage) // the old file is closed in the background
	eventually(t, "it to be closed", func() bool { return errors.Is(file.willNeed(0, size), ErrClosed) })
}
