package storage

import (
	"sync"
	"testing"
)

// TestUnmappedPagesAreReadAgain: while pages are unmapped, also of a file that
// is being replaced, readers find what is there.
func TestUnmappedPagesAreReadAgain(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	const n = 500
	table := f.OpenPartition(1, lineage)
	f.write(1, table, puts(1, n, 100)...)
	if err := f.flush(1, true); err != nil {
		t.Fatal(err)
	}
	file := f.fileOf(f.slots[1])
	if file == nil {
		t.Fatal("no file after a flush")
	}
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			for i := range 20 * n {
				if _, _, found, err := table.Get(puts(uint64(i%n)+1, uint64(i%n)+1, 100)[0].Key); err != nil || !found {
					t.Errorf("entry %d: found %v, %v", i%n+1, found, err)
					return
				}
			}
		})
	}
	for range 200 {
		file.unmapPages()
	}
	running.Wait()
	f.OpenPartition(1, lineage) // the old file is closed in the background
	file.unmapPages()
	if f.fileOf(f.slots[1]) != nil {
		t.Error("a new copy has the old one's file")
	}
}

func TestResidentFiles(t *testing.T) {
	t.Parallel()
	if bytes, err := residentFiles(); err != nil || bytes < 1<<20 {
		t.Errorf("%d bytes, %v; the program alone has more", bytes, err)
	}
}
