package protocol

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/partition"
)

// ErrMalformed says that bytes are not a message of this protocol.
var ErrMalformed = errors.New("malformed message")

// encoder appends values: integers as varints, stores as 8 bytes, strings and
// lists after their length.
type encoder struct{ b []byte }

func (e *encoder) byte(v byte)               { e.b = append(e.b, v) }
func (e *encoder) uint(v uint64)             { e.b = binary.AppendUvarint(e.b, v) }
func (e *encoder) int(v int64)               { e.b = binary.AppendVarint(e.b, v) }
func (e *encoder) fixed(v uint64)            { e.b = binary.LittleEndian.AppendUint64(e.b, v) }
func (e *encoder) string(s string)           { e.uint(uint64(len(s))); e.b = append(e.b, s...) }
func (e *encoder) node(id partition.NodeID)  { e.string(string(id)) }
func (e *encoder) store(s partition.StoreID) { e.fixed(uint64(s)) }

func (e *encoder) bool(v bool) {
	if v {
		e.byte(1)
	} else {
		e.byte(0)
	}
}

func encodeList[T any](e *encoder, list []T, one func(*encoder, *T)) {
	e.uint(uint64(len(list)))
	for i := range list {
		one(e, &list[i])
	}
}

// decoder takes them off again. After the first fault every value is zero, and
// done tells it.
type decoder struct {
	b   []byte
	err error
	// names holds the strings seen, for node names repeat in every list.
	names map[string]string
}

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrMalformed, what)
	}
	d.b = nil
}

// done returns the first fault; bytes left over are one.
func (d *decoder) done() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail(fmt.Sprintf("%d bytes too many", len(d.b)))
	}
	return d.err
}

func (d *decoder) byte() byte {
	if len(d.b) < 1 {
		d.fail("too short")
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *decoder) bool() bool {
	v := d.byte()
	if v > 1 {
		d.fail("not a boolean")
	}
	return v == 1
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail("integer")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) uint32() uint32 {
	v := d.uint()
	if v > 1<<32-1 {
		d.fail("integer above 32 bits")
		return 0
	}
	return uint32(v)
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail("integer")
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed() uint64 {
	if len(d.b) < 8 {
		d.fail("too short")
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

func (d *decoder) string() string {
	n := d.uint()
	if n > uint64(len(d.b)) {
		d.fail("string longer than the message")
		return ""
	}
	raw := d.b[:n]
	d.b = d.b[n:]
	if s, ok := d.names[string(raw)]; ok {
		return s
	}
	s := string(raw)
	if len(s) <= 64 && len(d.names) < 4096 {
		if d.names == nil {
			d.names = make(map[string]string)
		}
		d.names[s] = s
	}
	return s
}

func (d *decoder) node() partition.NodeID   { return partition.NodeID(d.string()) }
func (d *decoder) store() partition.StoreID { return partition.StoreID(d.fixed()) }

// decodeList takes a list whose elements are at least size bytes each, so that
// a short message cannot ask for a long list. An empty list is nil.
func decodeList[T any](d *decoder, size int, one func(*decoder) T) []T {
	n := d.uint()
	if n > uint64(len(d.b)/size) {
		d.fail("list longer than the message")
		return nil
	}
	if n == 0 {
		return nil
	}
	out := make([]T, n)
	for i := range out {
		if out[i] = one(d); d.err != nil {
			return nil
		}
	}
	return out
}
