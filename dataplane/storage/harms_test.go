package storage

import (
	"encoding/binary"
	"testing"
)

// harm damages a page of a bucket.
type harm struct {
	what   string
	branch bool // which kind of page
	do     func(b *busyFile, kind bucketKind, page []byte, id int)
}

var harms = []harm{
	{"a bit of a key", false, func(b *busyFile, _ bucketKind, page []byte, id int) {
		at, keySize, _ := elementOf(page, 1)
		b.writeBytes(id, at+keySize-1, page[at+keySize-1]^1)
	}},
	{"a bit of what is stored", false, func(b *busyFile, _ bucketKind, page []byte, id int) {
		at, keySize, size := elementOf(page, 1)
		b.writeBytes(id, at+keySize+size-1, page[at+keySize+size-1]^1)
	}},
	{"an item is hidden", false, func(b *busyFile, _ bucketKind, page []byte, id int) {
		binary.NativeEndian.PutUint16(page[10:], binary.NativeEndian.Uint16(page[10:])-1)
		b.writeBytes(id, 10, page[10:12]...)
	}},
	{"an item is whole, and is not what was written last", false, func(b *busyFile, kind bucketKind, page []byte, id int) {
		at, keySize, size := elementOf(page, 1)
		b.writeBytes(id, at, otherItem(b.t, kind, page[at:at+keySize], page[at+keySize:][:size])...)
	}},
	{"a page stands in the place of another", false, func(b *busyFile, kind bucketKind, page []byte, id int) {
		_, leaves := b.layout(kind)
		other := b.page(leaves[0])
		b.writeBytes(id, 8, other[8:]...) // with the right number
	}},
	{"a key of a branch", true, func(b *busyFile, _ bucketKind, page []byte, id int) {
		at := pageHeaderSize + pageElementSize
		at += int(binary.NativeEndian.Uint32(page[at:]))
		b.writeBytes(id, at, page[at]^0x40)
	}},
	{"a key of a branch, still in order", true, func(b *busyFile, _ bucketKind, page []byte, id int) {
		at := pageHeaderSize + pageElementSize
		size := int(binary.NativeEndian.Uint32(page[at+4:]))
		at += int(binary.NativeEndian.Uint32(page[at:])) + size - 1
		b.writeBytes(id, at, page[at]+1)
	}},
	{"a branch has its children in a wrong order", true, func(b *busyFile, _ bucketKind, page []byte, id int) {
		one, two := pageHeaderSize+pageElementSize+8, pageHeaderSize+2*pageElementSize+8
		b.writeBytes(id, one, page[two:two+8]...)
		b.writeBytes(id, two, page[one:one+8]...)
	}},
	{"a child of a branch is hidden", true, func(b *busyFile, _ bucketKind, page []byte, id int) {
		binary.NativeEndian.PutUint16(page[10:], binary.NativeEndian.Uint16(page[10:])-1)
		b.writeBytes(id, 10, page[10:12]...)
	}},
}

// elementOf returns where an item of a leaf is, and the sizes of its key and of
// what is stored.
func elementOf(page []byte, n int) (at, keySize, size int) {
	h := pageHeaderSize + n*pageElementSize
	return h + int(binary.NativeEndian.Uint32(page[h+4:])), int(binary.NativeEndian.Uint32(page[h+8:])), int(binary.NativeEndian.Uint32(page[h+12:]))
}

// otherItem returns another item of the same size, with a good checksum.
func otherItem(t *testing.T, kind bucketKind, key, stored []byte) []byte {
	t.Helper()
	var other []byte
	switch kind {
	case dataKind:
		value, v, err := storedValue(key, stored)
		if err != nil {
			t.Fatal(err)
		}
		v.Sequence ^= 1
		other = append(append([]byte(nil), key...), appendValue(nil, key, v, value)...)
	case expiryKind, keyedAgeKind:
		k := append([]byte(nil), key...)
		k[7] ^= 1
		other = append(k, indexValue(k)...)
	case sessionKind:
		origin, s, err := storedSession(key, stored)
		if err != nil {
			t.Fatal(err)
		}
		s.results[0].result.Existed = !s.results[0].result.Existed
		other = append(append([]byte(nil), key...), s.encode(origin)...)
	case keyedKind:
		id, m, err := decodeKeyed(key, stored)
		if err != nil {
			t.Fatal(err)
		}
		m.Fingerprint[0] ^= 1
		other = append(append([]byte(nil), key...), encodeKeyed(id, &m)...)
	}
	if len(other) != len(key)+len(stored) {
		t.Fatalf("an item of %d bytes in place of %d", len(other), len(key)+len(stored))
	}
	return other
}
