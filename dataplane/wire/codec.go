package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func appendDuration(dst []byte, d time.Duration) []byte {
	return binary.AppendUvarint(dst, uint64(max(d, 0)))
}

func appendPosition(dst []byte, p entry.Position) []byte {
	dst = binary.AppendUvarint(dst, p.Sequence)
	return binary.AppendUvarint(dst, uint64(p.Epoch))
}

func appendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// flag returns the bit if it is to be set.
func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}

// decoder takes values off the start of b, and keeps the first error; after it
// every value is zero. One value has one encoding: numbers that are longer than
// need be are refused.
type decoder struct {
	what string // that is decoded, for the error
	all  int
	b    []byte
	err  error
}

func newDecoder(what string, b []byte) decoder { return decoder{what: what, all: len(b), b: b} }

func (d *decoder) fail(field string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w %s: bad %s at byte %d of %d", ErrMalformed, d.what, field, d.all-len(d.b), d.all)
	}
	d.b = nil
}

// end refuses what is left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.b) > 0 {
		d.fail("end")
	}
	return d.err
}

func (d *decoder) byte(field string) byte {
	if len(d.b) == 0 {
		d.fail(field)
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

// flags takes a byte in which only known bits may be set.
func (d *decoder) flags(known byte) byte {
	v := d.byte("flags")
	if v&^known != 0 {
		d.fail("flags")
		return 0
	}
	return v
}

func (d *decoder) uvarint(field string) uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || n > 1 && d.b[n-1] == 0 {
		d.fail(field)
		return 0
	}
	d.b = d.b[n:]
	return v
}

// present takes a number that is only written where it is not zero.
func (d *decoder) present(field string) uint64 {
	v := d.uvarint(field)
	if v == 0 {
		d.fail(field)
	}
	return v
}

func (d *decoder) uint32(field string) uint32 {
	if len(d.b) < 4 {
		d.fail(field)
		return 0
	}
	v := binary.LittleEndian.Uint32(d.b)
	d.b = d.b[4:]
	return v
}

func (d *decoder) uint64(field string) uint64 {
	if len(d.b) < 8 {
		d.fail(field)
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// bytes takes n bytes, which alias the input.
func (d *decoder) bytes(n uint64, field string) []byte {
	if n > uint64(len(d.b)) {
		d.fail(field)
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) string(field string) string {
	return string(d.bytes(d.uvarint(field), field))
}

// count takes the number of items that follow, each of which takes at least so
// many bytes: what could not be there is refused before room is made for it.
func (d *decoder) count(smallest int, field string) int {
	n := d.uvarint(field)
	if n > uint64(len(d.b)/smallest) {
		d.fail(field)
		return 0
	}
	return int(n)
}

func (d *decoder) duration(field string) time.Duration {
	v := d.uvarint(field)
	if v > math.MaxInt64 {
		d.fail(field)
		return 0
	}
	return time.Duration(v)
}

func (d *decoder) partition() partition.ID {
	v := d.uvarint("partition")
	if v > math.MaxUint32 {
		d.fail("partition")
		return 0
	}
	return partition.ID(v)
}

func (d *decoder) epoch() partition.Epoch { return partition.Epoch(d.uvarint("epoch")) }

func (d *decoder) position(field string) entry.Position {
	p := entry.Position{Sequence: d.uvarint(field), Epoch: partition.Epoch(d.uvarint(field))}
	if p == (entry.Position{}) {
		d.fail(field)
	}
	return p
}

// separate copies key and value, which lie side by side in the input, into
// memory of their own: one allocation for both.
func separate(key, value []byte) (k, v []byte) {
	if len(key)+len(value) == 0 {
		return nil, nil
	}
	b := make([]byte, len(key)+len(value))
	at := copy(b, key)
	copy(b[at:], value)
	if at > 0 {
		k = b[:at:at]
	}
	if at < len(b) {
		v = b[at:]
	}
	return k, v
}
