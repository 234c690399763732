package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// kind is what a frame is for.
type kind uint8

const (
	helloFrame   kind = iota + 1 // body: the caller's hello
	refuseFrame                  // body: why the hello was not accepted
	acceptFrame                  // the dialling side accepted the other's hello
	messageFrame                 // body: a one-way message
	requestFrame                 // body: a request; the ID comes back with the answer
	replyFrame                   // body: the reply to the request of that ID
	busyFrame                    // that request was turned away unseen
	lostFrame                    // that request was handled; its reply could not be sent
	pingFrame                    // keeps the connection alive
	lastKind     = pingFrame
)

const (
	headerSize = 16
	idBits     = 56
	idMask     = 1<<idBits - 1
	smallest   = 64 << 10 // bytes of a buffer that has had nothing large to hold for a while
	patience   = 64       // uses in a row that a large buffer may be wasted on little
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends a frame: checksum of all that follows it, length of the
// body, kind and ID, body.
func appendFrame(dst []byte, k kind, id uint64, body []byte) []byte {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(body)))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(k)<<idBits|id)
	dst = append(dst, body...)
	binary.LittleEndian.PutUint32(dst[start:], crc32.Checksum(dst[start+4:], castagnoli))
	return dst
}

// frameReader takes frames from a stream. It trusts nothing: its buffer grows
// with the bytes that arrived, not with the length that a header claims.
type frameReader struct {
	r          io.Reader
	max        int // most bytes of a body
	buf        []byte
	start, end int // what is read and not yet taken
	wasted     int // fills in a row that needed little of a large buffer
}

// next returns the next frame. The body is valid until the next call.
func (f *frameReader) next() (k kind, id uint64, body []byte, err error) {
	header, err := f.peek(headerSize)
	if err != nil {
		return 0, 0, nil, err
	}
	length := int(binary.LittleEndian.Uint32(header[4:]))
	word := binary.LittleEndian.Uint64(header[8:])
	k, id = kind(word>>idBits), word&idMask
	if k == 0 || k > lastKind {
		return 0, 0, nil, fmt.Errorf("%w: frame of unknown kind %d", ErrProtocol, k)
	}
	if length > f.max {
		return 0, 0, nil, fmt.Errorf("%w: frame of %d bytes, the limit is %d", ErrProtocol, length, f.max)
	}
	frame, err := f.peek(headerSize + length)
	if err != nil {
		return 0, 0, nil, noEOF(err)
	}
	if crc32.Checksum(frame[4:], castagnoli) != binary.LittleEndian.Uint32(frame) {
		return 0, 0, nil, fmt.Errorf("%w: wrong checksum of a frame of %d bytes", ErrProtocol, length)
	}
	f.start += len(frame)
	return k, id, frame[headerSize:], nil
}

// take returns the next n bytes, valid until the next call.
func (f *frameReader) take(n int) ([]byte, error) {
	b, err := f.peek(n)
	f.start += len(b)
	return b, err
}

// peek returns the next n bytes, and reads until they are there.
func (f *frameReader) peek(n int) ([]byte, error) {
	for f.end-f.start < n {
		f.makeRoom(n)
		read, err := f.r.Read(f.buf[f.end:])
		f.end += read
		if err != nil && f.end-f.start < n {
			if f.end > f.start {
				err = noEOF(err)
			}
			return nil, err
		}
	}
	return f.buf[f.start : f.start+n], nil
}

// makeRoom makes room for at least one more byte, towards n bytes in all.
func (f *frameReader) makeRoom(n int) {
	held := f.end - f.start
	if len(f.buf) > smallest && n <= smallest && held <= smallest/2 {
		f.wasted++
	} else {
		f.wasted = 0
	}
	switch {
	case f.buf == nil, f.wasted > patience:
		f.resize(smallest)
	case n > len(f.buf) && held == len(f.buf):
		f.resize(min(2*held, max(n, smallest)))
	case f.start > 0 && (held == 0 || f.start+n > len(f.buf) || f.end == len(f.buf)):
		copy(f.buf, f.buf[f.start:f.end])
		f.start, f.end = 0, held
	}
}

func (f *frameReader) resize(size int) {
	buf := make([]byte, size)
	f.end = copy(buf, f.buf[f.start:f.end])
	f.start, f.buf, f.wasted = 0, buf, 0
}

// noEOF turns an end in the middle of something into an error of its own.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// putBack gives a new reader a byte that was read before it.
func (f *frameReader) putBack(b byte) {
	f.makeRoom(1)
	f.buf[0], f.end = b, 1
}
