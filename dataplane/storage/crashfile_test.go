package storage

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/storage/faultfiles"
)

// TestCrashDuringAFlush makes the images that a crash in the middle of a flush
// can leave of a partition's file: bbolt writes the pages that changed, syncs,
// writes one meta page, and syncs. So any of the pages may be on disk without
// the meta page, and the meta page only with all of them. Each image holds what
// was there before, or what is there after, whole.
func TestCrashDuringAFlush(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for name, second := range map[string][]*entry.Entry{
		"few pages":  puts(201, 203, 50),
		"many pages": puts(100, 500, 200),
	} {
		f := open(t, small(t.TempDir()))
		table := f.OpenPartition(1, lineage)
		f.write(1, table, puts(1, 200, 100)...)
		if err := f.flush(1, true); err != nil {
			t.Fatal(err)
		}
		path := partitionPath(filepath.Join(f.dir, "partitions"), 1)
		before := readFile(t, path)
		for i, e := range second { // they come next, whatever their keys
			e.Sequence = uint64(201 + i)
			e.Request.Counter = e.Sequence
		}
		f.write(1, table, second...)
		if err := f.flush(1, true); err != nil {
			t.Fatal(err)
		}
		after := readFile(t, path)
		states := map[string]map[string]string{"before": contentOf(t, before), "after": contentOf(t, after)}
		pages, meta := changedPages(before, after)
		if len(pages) < 3 {
			t.Fatalf("%s: only pages %v changed", name, pages)
		}
		images := subsets(len(pages), random)
		for _, have := range images {
			wantContent(t, fmt.Sprintf("%s: pages %v without the meta page", name, have), mixed(before, after, pick(pages, have)), states, "before")
		}
		wantContent(t, name+": everything", mixed(before, after, append(slices.Clone(pages), meta)), states, "after")
		torn := mixed(before, after, pages)
		for cut := faultfiles.Sector; cut < pageSize; cut += faultfiles.Sector {
			one := slices.Clone(torn)
			copy(one[meta*pageSize:meta*pageSize+cut], after[meta*pageSize:])
			wantContent(t, fmt.Sprintf("%s: %d bytes of the meta page", name, cut), one, states, "before", "after")
		}
		t.Logf("%s: %d pages changed, %d images", name, len(pages), len(images)+8)
	}
}

var pageSize = os.Getpagesize()

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// changedPages lists the pages that two images of a file have different; the
// meta page apart.
func changedPages(before, after []byte) (pages []int, meta int) {
	for p := range len(after) / pageSize {
		at := p * pageSize
		same := at+pageSize <= len(before) && bytes.Equal(before[at:at+pageSize], after[at:at+pageSize])
		switch {
		case same:
		case p < 2:
			meta = p
		default:
			pages = append(pages, p)
		}
	}
	return pages, meta
}

// subsets returns all subsets of n things, or some where that are too many.
func subsets(n int, random *rand.Rand) (out [][]int) {
	const most = 256
	if n <= 8 {
		for bits := range 1 << n {
			out = append(out, chosen(n, func(i int) bool { return bits>>i&1 == 1 }))
		}
		return out
	}
	for i := range most {
		share := 1 + i%9
		out = append(out, chosen(n, func(int) bool { return random.IntN(10) < share }))
	}
	return append(out, chosen(n, func(int) bool { return true }))
}

func chosen(n int, is func(int) bool) (out []int) {
	for i := range n {
		if is(i) {
			out = append(out, i)
		}
	}
	return out
}

func pick(pages, indexes []int) (out []int) {
	for _, i := range indexes {
		out = append(out, pages[i])
	}
	return out
}

// mixed is the file before, grown to the size after, with some pages of after.
func mixed(before, after []byte, pages []int) []byte {
	b := make([]byte, len(after))
	copy(b, before)
	for _, p := range pages {
		copy(b[p*pageSize:(p+1)*pageSize], after[p*pageSize:])
	}
	return b
}

// contentOf reads everything in an image of a partition's file.
func contentOf(t *testing.T, image []byte) map[string]string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "00001.db")
	if err := os.WriteFile(path, image, 0o600); err != nil {
		t.Fatal(err)
	}
	f, meta, err := openExisting(path)
	if err != nil {
		return map[string]string{"error": err.Error()}
	}
	defer f.Close() //nolint:errcheck // it was only read
	content := map[string]string{"applied": fmt.Sprint(meta.applied), "hash": fmt.Sprint(meta.hash)}
	for n := uint64(1); n <= 500; n++ {
		key := puts(n, n, 1)[0].Key
		value, version, found, err := f.get(key)
		content[string(key)] = fmt.Sprint(string(value), version, found, err)
	}
	return content
}

func wantContent(t *testing.T, what string, image []byte, states map[string]map[string]string, allowed ...string) {
	t.Helper()
	got := contentOf(t, image)
	for _, name := range allowed {
		if maps.Equal(got, states[name]) {
			return
		}
	}
	t.Errorf("%s: it is neither %v: applied %s, %s", what, allowed, got["applied"], got["error"])
}
