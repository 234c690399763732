package entry

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"testing"
)

func examples() []Entry {
	return []Entry{
		{Position: Position{1, 1}, Kind: Marker},
		{Position: Position{2, 1}, Kind: Put, Key: []byte("k"), Value: []byte("value")},
		{Position: Position{3, 7}, Kind: Put, Existed: true, Key: []byte("k"),
			Request: RequestID{Origin: 0xfeedfacecafebeef, Boot: 3, Counter: 99}, LowestOpen: 90},
		{Position: Position{math.MaxUint64, math.MaxUint64}, Kind: Delete, Key: bytes.Repeat([]byte{0xff}, 1024),
			Request: RequestID{Origin: 1, Boot: math.MaxUint64, Counter: math.MaxUint64}, LowestOpen: math.MaxUint64},
		{Position: Position{4, 7}, Kind: Put, Key: []byte("k"), Value: []byte("v"), Logged: 1 << 40, Expires: 1<<40 + 1},
		{Position: Position{5, 7}, Kind: Delete, Existed: true, Key: []byte("k"), Logged: math.MaxUint64,
			Idempotency: &Idempotency{ID: IdempotencyID{1, 15: 2}, Fingerprint: Fingerprint{3, 15: 4}}},
		{Position: Position{300, 2}, Kind: Put, Key: []byte("big"), Value: bytes.Repeat([]byte("x"), 70000)},
	}
}

func TestEntryRoundTrip(t *testing.T) {
	t.Parallel()
	var b []byte
	for _, e := range examples() {
		before := len(b)
		b = e.AppendTo(b)
		if len(b)-before > e.EncodedSize() {
			t.Errorf("%v: %d bytes, more than EncodedSize %d", e.Position, len(b)-before, e.EncodedSize())
		}
	}
	for _, want := range examples() {
		var got Entry
		var err error
		got, b, err = DecodeEntry(b)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if len(b) != 0 {
		t.Errorf("%d bytes left", len(b))
	}
}

func TestEntryDamageIsNoticed(t *testing.T) {
	t.Parallel()
	e := examples()[2]
	b := e.AppendTo(nil)
	for i := range b {
		if _, _, err := DecodeEntry(b[:i]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("cut at %d: %v", i, err)
		}
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << bit
			if _, _, err := DecodeEntry(bad); !errors.Is(err, ErrCorrupt) {
				t.Errorf("bit %d of byte %d flipped: %v", bit, i, err)
			}
		}
	}
}

func FuzzDecodeEntry(f *testing.F) {
	for _, e := range examples()[:4] {
		f.Add(e.AppendTo(nil))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, rest, err := DecodeEntry(b)
		if err != nil {
			return
		}
		used := b[:len(b)-len(rest)]
		if again := e.AppendTo(nil); !bytes.Equal(again, used) {
			t.Fatalf("decoded %x, encoded %x", used, again)
		}
	})
}

func BenchmarkEntryAppendTo(b *testing.B) {
	e := Entry{Position: Position{1000, 3}, Kind: Put, Key: []byte("key-0000012345"), Value: make([]byte, 100),
		Request: RequestID{Origin: 1 << 60, Boot: 2, Counter: 100000}, LowestOpen: 99990}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendTo(buf[:0])
	}
}

func BenchmarkDecodeEntry(b *testing.B) {
	e := Entry{Position: Position{1000, 3}, Kind: Put, Key: []byte("key-0000012345"), Value: make([]byte, 100),
		Request: RequestID{Origin: 1 << 60, Boot: 2, Counter: 100000}, LowestOpen: 99990}
	buf := e.AppendTo(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := DecodeEntry(buf); err != nil {
			b.Fatal(err)
		}
	}
}
