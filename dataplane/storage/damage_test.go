package storage

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"
)

// damageable returns the directory of an engine that did not close, with a log
// of several segments: some batches of partition 1, each synced on its own.
func damageable(t *testing.T) string {
	t.Helper()
	for {
		f := open(t, small(t.TempDir()))
		table := f.OpenPartition(1, lineage)
		for _, e := range puts(1, 60, 700) {
			f.write(1, table, e)
		}
		dir := image(t, f.dir)
		if files := segments(t, dir); len(batches(t, dir, files[len(files)-1])) > 0 {
			return dir
		} // else the next file was just begun, and is empty or not in use yet
	}
}

// segments returns the paths of a log's files, oldest first.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "log", "*.wal"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	slices.Sort(names)
	return names
}

// batches returns where the batches of a segment file begin and end.
func batches(t *testing.T, dir, path string) [][2]int {
	t.Helper()
	meta := &metadb.BoltMetaDB{}
	state, err := meta.Load(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	salt, err := stableUint64(meta, saltKey)
	if err = errors.Join(err, meta.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(state.Segments, func(s types.SegmentInfo) bool {
		return strings.HasPrefix(filepath.Base(path), fmt.Sprintf("%020d-", s.BaseIndex))
	})
	if i < 0 {
		return nil // its file was made ahead
	}
	s := &segmentScan{file: content, info: state.Segments[i], salt: salt, last: state.Segments[i].BaseIndex - 1}
	var out [][2]int
	for start := segmentHeaderSize; ; start = s.end {
		if _, ok := s.next(); !ok {
			return out
		}
		out = append(out, [2]int{start, s.end})
	}
}

func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(b), 0o644); err != nil {
		t.Fatal(err)
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte { b[at] ^= 0x10; return b }
}

func zero(from, to int) func([]byte) []byte {
	return func(b []byte) []byte { clear(b[from:to]); return b }
}

// wantRefused opens a directory that must be refused, with an error that names
// the file and says what to do.
func wantRefused(t *testing.T, dir, file string) {
	t.Helper()
	e, err := Open(small(dir))
	if err == nil {
		t.Errorf("opened, with %d copies", len(e.Recovered()))
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		return
	}
	if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "start the node with an empty one") {
		t.Errorf("refused with %v", err)
	}
}

// One corrupt batch with good ones behind it: never cut away in silence.
func TestDamageInTheLogIsRefused(t *testing.T) {
	t.Parallel()
	origin := damageable(t)
	files := segments(t, origin)
	if len(files) < 3 {
		t.Fatalf("only %d segments", len(files))
	}
	for n, path := range files {
		all := batches(t, origin, path)
		name := filepath.Base(path)
		tail := n == len(files)-1
		for i, b := range all {
			if tail && i == len(all)-1 || i > 2 && i < len(all)-3 {
				continue
			}
			for what, change := range map[string]func([]byte) []byte{
				"type of its frame":   flip(b[0]),
				"length of its frame": flip(b[0] + 5),
				"header":              flip(b[0] + frameHeaderSize + 14),
				"content":             flip((b[0] + b[1]) / 2),
				"commit":              flip(b[1] - frameHeaderSize),
				"commit's checksum":   flip(b[1] - 1),
				"all of it":           zero(b[0], b[1]),
			} {
				t.Run(fmt.Sprintf("segment %d batch %d %s", n, i, what), func(t *testing.T) {
					t.Parallel()
					dir := image(t, origin)
					edit(t, filepath.Join(dir, "log", name), change)
					wantRefused(t, dir, name)
				})
			}
		}
	}
}

func TestMissingPartsOfTheLogAreRefused(t *testing.T) {
	t.Parallel()
	origin := damageable(t)
	files := segments(t, origin)
	for what, harm := range map[string]struct {
		file string
		do   func(t *testing.T, dir, path string)
	}{
		"first segment gone":   {filepath.Base(files[0]), removeFile},
		"last segment gone":    {filepath.Base(files[len(files)-1]), removeFile},
		"last segment emptied": {filepath.Base(files[len(files)-1]), cutTo(0)},
		"last segment cut":     {filepath.Base(files[len(files)-1]), cutTo(900)},
		"sealed segment cut":   {filepath.Base(files[1]), cutTo(900)},
		"meta file gone":       {metadb.FileName, removeFile},
		"meta file garbage":    {metadb.FileName, func(t *testing.T, _, path string) { edit(t, path, zero(0, 8192)) }},
		"whole log gone":       {metadb.FileName, func(t *testing.T, dir, _ string) { removeAll(t, filepath.Join(dir, "log")) }},
		"store.json gone":      {storeFile, func(t *testing.T, dir, _ string) { removeFile(t, dir, filepath.Join(dir, storeFile)) }},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := image(t, origin)
			harm.do(t, dir, filepath.Join(dir, "log", harm.file))
			if what == "meta file garbage" {
				if _, err := Open(small(dir)); err == nil || !strings.Contains(err.Error(), harm.file) {
					t.Errorf("refused with %v", err)
				}
				return
			}
			wantRefused(t, dir, harm.file)
		})
	}
}

func removeFile(t *testing.T, _, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func removeAll(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func cutTo(size int64) func(t *testing.T, _, path string) {
	return func(t *testing.T, _, path string) {
		t.Helper()
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
}

// A write that a crash cut short is dropped, whatever is left of it, and the log
// goes on in its place, also after another crash.
func TestTornLastBatchIsDropped(t *testing.T) {
	t.Parallel()
	origin := damageable(t)
	files := segments(t, origin)
	path := files[len(files)-1]
	all := batches(t, origin, path)
	last := all[len(all)-1]
	for what, change := range map[string]func([]byte) []byte{
		"nothing of it":     zero(last[0], last[1]),
		"its first half":    zero((last[0]+last[1])/2, last[1]),
		"its second half":   zero(last[0], (last[0]+last[1])/2),
		"without its start": zero(last[0], last[0]+frameHeaderSize),
		"a hole in it":      zero(last[0]+200, last[0]+300),
		"without commit":    zero(last[1]-frameHeaderSize, last[1]),
		"garbage":           func(b []byte) []byte { copy(b[last[0]:last[1]], bytes.Repeat([]byte{1, 0xff, 3}, 500)); return b },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			dir := image(t, origin)
			edit(t, filepath.Join(dir, "log", filepath.Base(path)), change)
			f := open(t, small(dir))
			if got := len(f.recovered(1).Log); got != 59 {
				t.Fatalf("%d entries, want 59", got)
			}
			f.sync(records(1, put(60, "short", "x"))...)
			f.sync(records(1, put(61, "short", "y"))...)
			f = open(t, small(image(t, dir)))
			if got := f.recovered(1).Log; len(got) != 61 || string(got[60].Value) != "y" {
				t.Errorf("%d entries after going on, want 61", len(got))
			}
		})
	}
}

// The log ends earlier than a partition's file, or a clean end, says it did.
func TestShortenedLogIsRefused(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	f.write(1, table, puts(1, 5, 10)...)
	earlier := image(t, f.dir)
	f.write(1, table, puts(6, 10, 10)...)
	if err := f.flush(1, false); err != nil {
		t.Fatal(err)
	}
	flushed := image(t, f.dir)
	f.close()
	closed := image(t, f.dir)
	for what, dir := range map[string]string{"file": flushed, "clean end": closed} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			if what == "clean end" {
				removeFile(t, dir, partitionPath(filepath.Join(dir, "partitions"), 1))
			}
			removeAll(t, filepath.Join(dir, "log"))
			if err := os.CopyFS(filepath.Join(dir, "log"), os.DirFS(filepath.Join(earlier, "log"))); err != nil {
				t.Fatal(err)
			}
			wantRefused(t, dir, "log")
		})
	}
}

// raft-wal seals a segment with the batch that fills it, and notes that later;
// a crash between must not leave a log that takes no more writes.
func TestCrashBetweenSealAndRotation(t *testing.T) {
	t.Parallel()
	f := open(t, small(t.TempDir()))
	table := f.OpenPartition(1, lineage)
	before := image(t, f.dir)
	n := uint64(0)
	for len(segments(t, f.dir)) == 1 {
		n++
		f.write(1, table, puts(n, n, 700)...)
		// The rotation goes on meanwhile: it notes the next segment before it makes
		// the file. What counts is what the image has noted.
		if now := image(t, f.dir); noted(t, now) == 1 {
			before = now
		}
	}
	dir := image(t, f.dir)
	for _, path := range segments(t, dir)[1:] {
		removeFile(t, dir, path)
	}
	b, err := os.ReadFile(filepath.Join(before, "log", metadb.FileName))
	if err != nil {
		t.Fatal(err)
	}
	edit(t, filepath.Join(dir, "log", metadb.FileName), func([]byte) []byte { return b })
	g := open(t, small(dir))
	if got := len(g.recovered(1).Log); got != int(n) && got != int(n)-1 {
		t.Fatalf("%d entries, want %d or one less", got, n)
	}
	next := uint64(len(g.recovered(1).Log)) + 1
	g.sync(records(1, puts(next, next, 10)...)...)
	h := open(t, small(image(t, dir)))
	if got := uint64(len(h.recovered(1).Log)); got != next {
		t.Errorf("%d entries after going on, want %d", got, next)
	}
}

// noted is how many segments the log of a directory knows of.
func noted(t *testing.T, dir string) int {
	t.Helper()
	var meta metadb.BoltMetaDB
	state, err := meta.Load(filepath.Join(dir, "log"))
	if err := errors.Join(err, meta.Close()); err != nil {
		t.Fatal(err)
	}
	return len(state.Segments)
}

// A first start that a crash came over leaves nothing that is refused.
func TestCrashDuringFirstStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, small(dir))
	torn := image(t, dir)
	f.close()
	removeFile(t, torn, filepath.Join(torn, storeFile))
	g := open(t, small(torn))
	if g.Identity().StoreID == f.Identity().StoreID {
		t.Error("same store ID")
	}
}
