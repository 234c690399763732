package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"unsafe"
)

// The layout of bbolt's pages (go.etcd.io/bbolt/internal/common, version 1.5).
// Numbers have the machine's byte order.
const (
	pageHeaderSize  = 16 // id 8, flags 2, count 2, overflow 4
	pageElementSize = 16
	branchPage      = 0x01
	leafPage        = 0x02
	metaPage        = 0x04
	freelistPage    = 0x10
	bucketElement   = 0x01 // flag of a leaf's element: its value is a bucket
	boltMagic       = 0xED0CDAED
	boltVersion     = 2
	boltMetaSize    = 64
	bucketHeader    = 16 // root 8, sequence 8; then, where root is zero, a page
	// deepest is more levels than a tree can have: a damaged page may point to one
	// above it.
	deepest = 32
)

// pageReader reads pages of a bbolt file, past bbolt, and checks of each what can
// be told: its number, its kind, and where its items stand, which bbolt writes
// one behind the other without a gap. The caller has a read transaction open, so
// that pages in use are not written to.
type pageReader struct {
	file     io.ReaderAt
	pageSize int
	end      uint64 // number of the first page that is not in use
	read     int64  // bytes read so far
	free     *freePages
	buffers  [deepest][]byte // by level
	window   []byte          // pages from first on: those that lie one behind the other are read at once
	first    uint64
}

// page is one page with all that belongs to it.
type page struct {
	id    uint64
	flags uint16
	count int
	b     []byte
}

func damagedPage(id uint64, why string, args ...any) error {
	return fmt.Errorf("%w: page %d: %s", ErrDamaged, id, fmt.Sprintf(why, args...))
}

// aligned returns a buffer that a read past the system's cache takes.
func aligned(size, to int) []byte {
	b := make([]byte, size+to)
	skip := (to - int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(to))) % to
	return b[skip : skip+size]
}

// fill reads whole pages.
func (r *pageReader) fill(b []byte, id uint64) error {
	n, err := r.file.ReadAt(b, int64(id)*int64(r.pageSize))
	r.read += int64(n)
	if err != nil && !errors.Is(err, os.ErrClosed) {
		return damagedPage(id, "it cannot be read: %v", err)
	}
	return err
}

// at reads a page in use. It stays valid until the next one of the level is read.
// ahead is how many pages behind it are wanted next.
func (r *pageReader) at(id uint64, level, ahead int) (page, error) {
	if id < 2 || id >= r.end {
		return page{}, damagedPage(id, "it is referred to, and the file has %d in use", r.end)
	}
	if level >= deepest {
		return page{}, damagedPage(id, "the tree is too deep")
	}
	if ahead > 1 && !r.holds(id) {
		n := int(min(uint64(ahead), r.end-id))
		if cap(r.window) < n*r.pageSize {
			r.window = aligned(n*r.pageSize, r.pageSize)
		}
		r.window, r.first = r.window[:n*r.pageSize], id
		if err := r.fill(r.window, id); err != nil {
			r.window = r.window[:0]
			return page{}, err
		}
	}
	if len(r.buffers[level]) == 0 {
		r.buffers[level] = aligned(r.pageSize, r.pageSize)
	}
	b := r.buffers[level][:r.pageSize]
	if r.holds(id) {
		copy(b, r.window[int(id-r.first)*r.pageSize:])
	} else if err := r.fill(b, id); err != nil {
		return page{}, err
	}
	return r.whole(b, id, level)
}

// holds reports whether a page is in the window.
func (r *pageReader) holds(id uint64) bool {
	return id >= r.first && id-r.first < uint64(len(r.window)/r.pageSize)
}

// whole checks a page's header, and reads the pages that go on from it.
func (r *pageReader) whole(b []byte, id uint64, level int) (page, error) {
	p := page{
		id: binary.NativeEndian.Uint64(b), flags: binary.NativeEndian.Uint16(b[8:]),
		count: int(binary.NativeEndian.Uint16(b[10:])), b: b,
	}
	if p.id != id {
		return p, damagedPage(id, "it says that it is page %d", p.id)
	}
	overflow := uint64(binary.NativeEndian.Uint32(b[12:]))
	if overflow >= r.end-id {
		return p, damagedPage(id, "it goes on for %d pages, beyond the end", overflow)
	}
	if err := r.free.inUse(id, id+overflow); err != nil {
		return p, err
	}
	if overflow == 0 {
		return p, nil
	}
	size := int(overflow+1) * r.pageSize
	if len(r.buffers[level]) < size {
		r.buffers[level] = aligned(size, r.pageSize)
		copy(r.buffers[level], b)
	}
	p.b = r.buffers[level][:size]
	return p, r.fill(p.b[r.pageSize:], id+1)
}

// element is an item of a leaf, or a child of a branch.
type element struct {
	key, value []byte
	bucket     bool
	child      uint64
}

// elements returns what a page holds, in order. They alias the page.
func (p *page) elements(pageSize int) ([]element, error) {
	leaf := p.flags == leafPage
	if !leaf && p.flags != branchPage {
		return nil, damagedPage(p.id, "it is of kind %#x, and should be a leaf or a branch", p.flags)
	}
	next := pageHeaderSize + p.count*pageElementSize
	if next > len(p.b) {
		return nil, damagedPage(p.id, "it cannot hold %d items", p.count)
	}
	out := make([]element, p.count)
	for i := range out {
		at := pageHeaderSize + i*pageElementSize
		h, e := p.b[at:at+pageElementSize], &out[i]
		var position, keySize, valueSize uint32
		if leaf {
			flags := binary.NativeEndian.Uint32(h)
			position, keySize, valueSize = binary.NativeEndian.Uint32(h[4:]), binary.NativeEndian.Uint32(h[8:]), binary.NativeEndian.Uint32(h[12:])
			if e.bucket = flags == bucketElement; flags > bucketElement {
				return nil, damagedPage(p.id, "item %d is of kind %#x", i, flags)
			}
		} else {
			position, keySize = binary.NativeEndian.Uint32(h), binary.NativeEndian.Uint32(h[4:])
			e.child = binary.NativeEndian.Uint64(h[8:])
		}
		if at+int(position) != next || keySize == 0 || int64(next)+int64(keySize)+int64(valueSize) > int64(len(p.b)) {
			return nil, damagedPage(p.id, "item %d of %d is not where it must be", i, p.count)
		}
		e.key = p.b[next : next+int(keySize)]
		next += int(keySize)
		e.value = p.b[next : next+int(valueSize)]
		next += int(valueSize)
		if i > 0 && bytes.Compare(out[i-1].key, e.key) >= 0 {
			return nil, damagedPage(p.id, "key %q stands behind %q", e.key, out[i-1].key)
		}
	}
	if p.id != 0 && len(p.b)-next >= pageSize {
		return nil, damagedPage(p.id, "its %d items take %d bytes of %d", p.count, next, len(p.b))
	}
	return out, nil
}

// boltMeta is what a meta page says.
type boltMeta struct {
	root, freelist, end uint64
	number              uint64 // of the transaction
}

// meta reads one of the two meta pages; ok is false where its checksum is wrong.
func (r *pageReader) meta(which uint64) (m boltMeta, ok bool, err error) {
	if r.buffers[0] == nil {
		r.buffers[0] = aligned(r.pageSize, r.pageSize)
	}
	b := r.buffers[0][:r.pageSize]
	if err := r.fill(b, which); err != nil {
		return m, false, err
	}
	flags := binary.NativeEndian.Uint16(b[8:])
	b = b[pageHeaderSize:][:boltMetaSize]
	sum := fnv.New64a()
	_, _ = sum.Write(b[:boltMetaSize-8]) // never fails, says its documentation
	m = boltMeta{
		root: binary.NativeEndian.Uint64(b[16:]), freelist: binary.NativeEndian.Uint64(b[32:]),
		end: binary.NativeEndian.Uint64(b[40:]), number: binary.NativeEndian.Uint64(b[48:]),
	}
	ok = flags == metaPage && binary.NativeEndian.Uint32(b) == boltMagic && binary.NativeEndian.Uint32(b[4:]) == boltVersion &&
		binary.NativeEndian.Uint64(b[56:]) == sum.Sum64() && m.number%2 == which
	return m, ok, nil
}

// freePages are the pages that a file's freelist says are free, sorted. Nil knows of none.
type freePages struct{ ids []uint64 }

// freelist reads the freelist.
func (r *pageReader) freelist(id uint64) (*freePages, error) {
	p, err := r.at(id, 0, 1)
	if err != nil {
		return nil, err
	}
	if p.flags != freelistPage {
		return nil, damagedPage(id, "it is of kind %#x, and should be the freelist", p.flags)
	}
	b, count := p.b[pageHeaderSize:], p.count
	if count == 0xFFFF { // more than fits: the first is their number
		count, b = int(min(binary.NativeEndian.Uint64(b), uint64(len(p.b)))), b[8:]
	}
	if count*8 > len(b) {
		return nil, damagedPage(id, "the freelist cannot hold %d pages", count)
	}
	free := &freePages{ids: make([]uint64, count)}
	for i := range free.ids {
		free.ids[i] = binary.NativeEndian.Uint64(b[8*i:])
		if n := free.ids[i]; n < 2 || n >= r.end || i > 0 && n <= free.ids[i-1] {
			return nil, damagedPage(id, "page %d is out of place in the freelist", n)
		}
	}
	return free, free.inUse(id, id+uint64(len(p.b)/r.pageSize)-1)
}

// inUse checks that the freelist has none of these pages: what is written next
// would overwrite them.
func (f *freePages) inUse(first, last uint64) error {
	if f == nil {
		return nil
	}
	low, _ := slices.BinarySearch(f.ids, first)
	if low < len(f.ids) && f.ids[low] <= last {
		return damagedPage(f.ids[low], "it is in use, and in the freelist")
	}
	return nil
}
