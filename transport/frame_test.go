package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"testing/iotest"
)

func TestFrames(t *testing.T) {
	t.Parallel()
	type frame struct {
		k    kind
		id   uint64
		body []byte
	}
	var want []frame
	for i, size := range []int{0, 1, 100, 70_000, 5, 65_520, 65_519, 300_000, 3} {
		want = append(want, frame{kind(i%int(lastKind)) + 1, uint64(i) << 40, bytes.Repeat([]byte{byte(i)}, size)})
	}
	var stream []byte
	for _, f := range want {
		stream = appendFrame(stream, f.k, f.id, f.body)
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "half": iotest.HalfReader(bytes.NewReader(stream)),
		"byte by byte": iotest.OneByteReader(bytes.NewReader(stream)), "data with the end": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		in := &frameReader{r: r, max: 300_000}
		for i, f := range want {
			k, id, body, err := in.next()
			if err != nil || k != f.k || id != f.id || !bytes.Equal(body, f.body) {
				t.Fatalf("%s, frame %d: kind %d, ID %d, %d bytes, %v", name, i, k, id, len(body), err)
			}
		}
		if _, _, _, err := in.next(); err != io.EOF {
			t.Fatalf("%s: at the end: %v", name, err)
		}
	}
}

func TestMalformedFrames(t *testing.T) {
	t.Parallel()
	good := appendFrame(nil, messageFrame, 0, make([]byte, 100))
	change := func(at int, to byte) []byte {
		b := bytes.Clone(good)
		b[at] = to
		return b
	}
	for name, c := range map[string]struct {
		stream []byte
		want   error
	}{
		"cut in the header":  {good[:10], io.ErrUnexpectedEOF},
		"cut in the body":    {good[:50], io.ErrUnexpectedEOF},
		"bit of the body":    {change(60, 1), ErrProtocol},
		"bit of the length":  {change(4, 99), ErrProtocol},
		"bit of the ID":      {change(8, 1), ErrProtocol},
		"kind 0":             {change(15, 0), ErrProtocol},
		"kind unknown":       {change(15, 77), ErrProtocol},
		"larger than it may": {change(7, 0x40), ErrProtocol},
	} {
		in := &frameReader{r: bytes.NewReader(c.stream), max: 1000}
		if _, _, _, err := in.next(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A header that claims much does not make the buffer grow before the bytes come.
func TestClaimedLengthAllocatesNothing(t *testing.T) {
	t.Parallel()
	head := appendFrame(nil, messageFrame, 0, nil)
	binary.LittleEndian.PutUint32(head[4:], 1<<30)
	in := &frameReader{r: bytes.NewReader(append(head, make([]byte, 100_000)...)), max: 1 << 30}
	if _, _, _, err := in.next(); err != io.ErrUnexpectedEOF || len(in.buf) > 400_000 {
		t.Fatalf("%d bytes, %v", len(in.buf), err)
	}
}

func TestLargeBufferIsGivenUpAfterAWhile(t *testing.T) {
	t.Parallel()
	stream := appendFrame(nil, messageFrame, 0, make([]byte, 1<<20))
	in := &frameReader{r: bytes.NewReader(stream), max: 1 << 20}
	if _, _, _, err := in.next(); err != nil {
		t.Fatal(err)
	}
	for range patience + 2 {
		in.r = bytes.NewReader(appendFrame(nil, pingFrame, 0, nil))
		if _, _, _, err := in.next(); err != nil {
			t.Fatal(err)
		}
	}
	if len(in.buf) != smallest {
		t.Fatalf("%d bytes", len(in.buf))
	}
}

func FuzzFrameReader(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, requestFrame, 7, []byte("body")), pingFrame, 0, nil), byte(3))
	f.Add(appendFrame(nil, messageFrame, 0, make([]byte, 2000)), byte(0))
	f.Add([]byte(preamble), byte(1))
	f.Fuzz(func(t *testing.T, stream []byte, repair byte) {
		if repair&1 == 1 && len(stream) >= headerSize { // let the first frame pass its checksum
			if n := headerSize + int(binary.LittleEndian.Uint32(stream[4:])); n <= len(stream) {
				binary.LittleEndian.PutUint32(stream, crc32.Checksum(stream[4:n], castagnoli))
			}
		}
		whole := &frameReader{r: bytes.NewReader(stream), max: 1000}
		pieces := &frameReader{r: iotest.OneByteReader(bytes.NewReader(stream)), max: 1000}
		var again []byte
		for {
			k, id, body, err := whole.next()
			k2, id2, body2, err2 := pieces.next()
			if k != k2 || id != id2 || !bytes.Equal(body, body2) || (err == nil) != (err2 == nil) {
				t.Fatalf("differs: %d %d %q %v, %d %d %q %v", k, id, body, err, k2, id2, body2, err2)
			}
			if err != nil {
				break
			}
			again = appendFrame(again, k, id, body)
		}
		if !bytes.HasPrefix(stream, again) {
			t.Fatal("what was read is not what was there")
		}
	})
}
