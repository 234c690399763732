package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// ErrDamaged says that something on disk is not what was written there. Errors
// that wrap it name the file.
var ErrDamaged = errors.New("damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func crcAdd(sum uint32, b []byte) uint32 { return crc32.Update(sum, castagnoli, b) }

// seal appends the checksum of dst[start:] to dst; unseal takes it off again.
func seal(dst []byte, start int) []byte {
	return binary.LittleEndian.AppendUint32(dst, checksum(dst[start:]))
}

func unseal(b []byte, what string) ([]byte, error) {
	if len(b) < 4 {
		return nil, fmt.Errorf("%s: %w: cut off", what, ErrDamaged)
	}
	body := b[:len(b)-4]
	if binary.LittleEndian.Uint32(b[len(body):]) != checksum(body) {
		return nil, fmt.Errorf("%s: %w: wrong checksum", what, ErrDamaged)
	}
	return body, nil
}

// reader takes fields off the front of a buffer and keeps the first error.
type reader struct {
	b    []byte
	what string
	err  error
}

func (r *reader) fail(field string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s: %w: bad %s", r.what, ErrDamaged, field)
	}
	r.b = nil
}

func (r *reader) byte(field string) byte {
	if len(r.b) < 1 {
		r.fail(field)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

func (r *reader) uint32(field string) uint32 {
	if len(r.b) < 4 {
		r.fail(field)
		return 0
	}
	v := binary.LittleEndian.Uint32(r.b)
	r.b = r.b[4:]
	return v
}

func (r *reader) uint64(field string) uint64 {
	if len(r.b) < 8 {
		r.fail(field)
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}

// uvarint refuses encodings longer than need be.
func (r *reader) uvarint(field string) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 1 && r.b[n-1] == 0 {
		r.fail(field)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes returns a piece whose length stands before it. It aliases the buffer.
func (r *reader) bytes(field string) []byte {
	n := r.uvarint(field)
	if r.err != nil || n > uint64(len(r.b)) {
		r.fail(field)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// end returns the first error; bytes left over are one.
func (r *reader) end() error {
	if r.err == nil && len(r.b) > 0 {
		r.fail("length")
	}
	return r.err
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}
