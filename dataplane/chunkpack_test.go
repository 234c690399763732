package dataplane

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func testPacker(t testing.TB) *packer {
	t.Helper()
	p, err := newPacker()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func TestChunksArePackedWhereThatHelps(t *testing.T) {
	t.Parallel()
	p := testPacker(t)
	noise := make([]byte, 100_000)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(noise)
	for name, chunk := range map[string][]byte{"empty": {}, "text": bytes.Repeat([]byte("holdfast "), 10_000), "noise": noise} {
		b := p.pack([]byte("head"), chunk)
		if !bytes.HasPrefix(b, []byte("head")) {
			t.Fatalf("%s: what was there before is gone", name)
		}
		got, err := p.unpack(b[4:])
		if err != nil || !bytes.Equal(got, chunk) {
			t.Errorf("%s: it comes back as %d bytes of %d, %v", name, len(got), len(chunk), err)
		}
		if len(b) > len(chunk)+5 || name == "text" && len(b) > len(chunk)/10 {
			t.Errorf("%s: %d bytes of %d", name, len(b), len(chunk))
		}
	}
	for _, b := range [][]byte{nil, {2, 1}, {chunkZstd, 1, 2, 3}} {
		if _, err := p.unpack(b); err == nil {
			t.Errorf("% x is taken for a chunk", b)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	p, err := newPacker()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(p.pack(nil, bytes.Repeat([]byte("a"), 1000)))
	f.Add(p.pack(nil, []byte{1, 2, 3}))
	f.Fuzz(func(t *testing.T, b []byte) {
		chunk, err := p.unpack(b)
		if err == nil && len(chunk) > mostChunk {
			t.Fatalf("%d bytes", len(chunk))
		}
	})
}
