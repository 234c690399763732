package storage

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// TestFlippedBitsOfAPartitionFile flips bits all over a partition's file while
// the node does not run. Each gives what was there, or an error for some keys, or
// a lost copy: never another value. Where a page says where its keys are, which
// nothing of ours covers, a flip may hide keys, until the scrubber finds that
// the sum of the content is not right; elsewhere it may not.
func TestFlippedBitsOfAPartitionFile(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	entries := puts(1, 120, 40)
	f.write(1, table, entries...)
	if err := f.flush(1, true); err != nil {
		t.Fatal(err)
	}
	f.close()
	path := partitionPath(filepath.Join(f.dir, "partitions"), 1)
	whole := readFile(t, path)
	flips, lost, right, damaged, hidden := 0, 0, 0, 0, 0
	for at := 0; at < len(whole); at += 31 {
		page := at / pageSize * pageSize
		if allZero(whole[page : page+pageSize]) {
			continue // reserved, and not used yet
		}
		flips++
		writeByte(t, path, at, whole[at]^1<<(at%8))
		opened, _, err := openExisting(path)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOtherFormat) || !strings.Contains(err.Error(), path) {
				t.Errorf("byte %d: %v", at, err)
			}
			lost++
			writeByte(t, path, at, whole[at])
			continue
		}
		missing := false
		for _, e := range entries {
			value, version, found, err := opened.get(e.Key)
			switch {
			case errors.Is(err, ErrDamaged):
				damaged++
			case err == nil && !found && inStructure(whole[page:page+pageSize], at-page):
				hidden++
				missing = true
			case err != nil || !found || string(value) != string(e.Value) || version.Sequence != e.Sequence:
				t.Fatalf("byte %d: %q is %q, %v, %v", at, e.Key, value, found, err)
			default:
				right++
			}
		}
		if missing && scrubFault(opened, 1, 1) == nil {
			t.Errorf("byte %d: keys are hidden, and the scrubber does not find it", at)
		}
		_ = opened.Close() // bbolt may complain of its pages
		writeByte(t, path, at, whole[at])
	}
	if lost == 0 || damaged == 0 || right == 0 {
		t.Errorf("%d files refused, %d values damaged, %d right", lost, damaged, right)
	}
	t.Logf("%d flips: %d files refused, %d values damaged, %d hidden, %d right", flips, lost, damaged, hidden, right)
}

// scrubFault does what the scrubber does with a file.
func scrubFault(f *file, id partition.ID, generation uint64) error {
	s, err := f.scrub(id, generation)
	if err != nil {
		return err
	}
	defer s.close()
	for done := false; !done && err == nil; {
		_, done, err = s.step()
	}
	return err
}

// inStructure reports whether a byte of a page is of its header or its table of
// elements, or the page is no leaf.
func inStructure(page []byte, at int) bool {
	const header, element, leaf = 16, 16, 2
	count := int(binary.NativeEndian.Uint16(page[10:]))
	return binary.NativeEndian.Uint16(page[8:]) != leaf || at < header+count*element
}

// TestFlippedBitsOfTheStoresFile flips every bit of store.json: that is refused,
// with the name of the file.
func TestFlippedBitsOfTheStoresFile(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	f.close()
	path := filepath.Join(f.dir, storeFile)
	whole := readFile(t, path)
	for at := range whole {
		for bit := range 8 {
			writeByte(t, path, at, whole[at]^1<<bit)
			if _, _, err := readIdentity(f.dir, "n1"); err == nil || !strings.Contains(err.Error(), f.dir) {
				t.Fatalf("bit %d of byte %d (%q): %v", bit, at, whole[at], err)
			}
		}
		writeByte(t, path, at, whole[at])
	}
}

// TestFlippedBitsOfASnapshotInFlight flips bits of a chunk on its way.
func TestFlippedBitsOfASnapshotInFlight(t *testing.T) {
	t.Parallel()
	from := open(t, small(t.TempDir()))
	from.write(1, from.OpenPartition(1, lineage), puts(1, 20, 30)...)
	_, all := chunks(t, from.Engine, 1)
	for number, chunk := range all {
		for at := range chunk {
			one := append([]byte(nil), chunk...)
			one[at] ^= 1 << (at % 8)
			if err := decodeChunk(one, uint64(number), func(*chunkItem) error { return nil }); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrOtherFormat) {
				t.Fatalf("byte %d of chunk %d: %v", at, number, err)
			}
		}
	}
}
