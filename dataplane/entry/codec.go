package entry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/holdfast-io/holdfast/partition"
)

// ErrCorrupt says that bytes are not an entry as AppendTo writes it: cut off,
// changed on the way, or of a later format.
var ErrCorrupt = errors.New("corrupt entry")

// The first byte of an encoded entry: its kind, and which parts follow.
const (
	kindMask        = 0x0f
	flagExpires     = 0x10
	flagIdempotency = 0x20
	flagRequest     = 0x40
	flagExisted     = 0x80
)

const checksumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodedSize is the most bytes that AppendTo appends.
func (e *Entry) EncodedSize() int {
	return 1 + 7*binary.MaxVarintLen64 + 8 + 32 + 2*binary.MaxVarintLen32 + len(e.Key) + len(e.Value) + checksumSize
}

// AppendTo appends the entry's encoding to dst, and returns the longer slice.
// The encoding is the same on disk and on the wire, ends with a CRC-32C of
// itself, and says its own length. DESIGN.md describes it.
func (e *Entry) AppendTo(dst []byte) []byte {
	start := len(dst)
	head := byte(e.Kind) & kindMask
	if e.Existed {
		head |= flagExisted
	}
	hasRequest := !e.Request.IsZero() || e.LowestOpen != 0
	if hasRequest {
		head |= flagRequest
	}
	if e.Expires != 0 {
		head |= flagExpires
	}
	if e.Idempotency != nil {
		head |= flagIdempotency
	}
	dst = append(dst, head)
	dst = binary.AppendUvarint(dst, e.Sequence)
	dst = binary.AppendUvarint(dst, uint64(e.Epoch))
	dst = binary.AppendUvarint(dst, uint64(e.Logged))
	if e.Expires != 0 {
		dst = binary.AppendUvarint(dst, uint64(e.Expires))
	}
	if e.Idempotency != nil {
		dst = append(dst, e.Idempotency.ID[:]...)
		dst = append(dst, e.Idempotency.Fingerprint[:]...)
	}
	if hasRequest {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Request.Origin))
		dst = binary.AppendUvarint(dst, e.Request.Boot)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Request.Start))
		dst = binary.AppendUvarint(dst, e.Request.Counter)
		dst = binary.AppendUvarint(dst, e.LowestOpen)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Key)))
	dst = binary.AppendUvarint(dst, uint64(len(e.Value)))
	dst = append(dst, e.Key...)
	dst = append(dst, e.Value...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// DecodeEntry decodes the entry at the start of b, and returns what follows it.
// The entry's key and value alias b. Bytes that AppendTo would not have written
// are refused with an error that wraps ErrCorrupt.
func DecodeEntry(b []byte) (e Entry, rest []byte, err error) {
	d := decoder{b: b}
	head := d.byte()
	e.Kind = Kind(head & kindMask)
	if e.Kind < Marker || e.Kind > Delete || e.Kind != Put && head&flagExpires != 0 || e.Kind == Marker && head&flagIdempotency != 0 {
		d.fail("kind")
	}
	e.Existed = head&flagExisted != 0
	e.Sequence = d.uvarint("sequence")
	e.Epoch = partition.Epoch(d.uvarint("epoch"))
	e.Logged = LoggedTime(d.uvarint("logged time"))
	if head&flagExpires != 0 {
		if e.Expires = LoggedTime(d.uvarint("expiry")); e.Expires == 0 {
			d.fail("expiry")
		}
	}
	if head&flagIdempotency != 0 {
		e.Idempotency = new(Idempotency)
		copy(e.Idempotency.ID[:], d.bytes(16, "idempotency ID"))
		copy(e.Idempotency.Fingerprint[:], d.bytes(16, "fingerprint"))
	}
	if head&flagRequest != 0 {
		e.Request.Origin = partition.StoreID(d.uint64("origin"))
		e.Request.Boot = d.uvarint("boot")
		e.Request.Start = partition.StartID(d.uint64("start"))
		e.Request.Counter = d.uvarint("counter")
		e.LowestOpen = d.uvarint("lowest open")
		if e.Request.IsZero() && e.LowestOpen == 0 {
			d.fail("request")
		}
	}
	keySize, valueSize := d.uvarint("key length"), d.uvarint("value length")
	e.Key = d.bytes(keySize, "key")
	e.Value = d.bytes(valueSize, "value")
	if d.err != nil {
		return Entry{}, nil, d.err
	}
	if len(d.b)-d.at < checksumSize {
		return Entry{}, nil, fmt.Errorf("%w: checksum cut off", ErrCorrupt)
	}
	if binary.LittleEndian.Uint32(d.b[d.at:]) != crc32.Checksum(b[:d.at], castagnoli) {
		return Entry{}, nil, fmt.Errorf("%w: wrong checksum", ErrCorrupt)
	}
	return e, b[d.at+checksumSize:], nil
}

// decoder reads fields one after another and keeps the first error.
type decoder struct {
	b   []byte
	at  int
	err error
}

func (d *decoder) fail(field string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: bad %s at byte %d", ErrCorrupt, field, d.at)
	}
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail("kind")
		return 0
	}
	d.at++
	return d.b[0]
}

// uvarint refuses encodings longer than need be: one value has one encoding.
func (d *decoder) uvarint(field string) uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 || n > 1 && d.b[d.at+n-1] == 0 {
		d.fail(field)
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) uint64(field string) uint64 {
	if d.err != nil || len(d.b)-d.at < 8 {
		d.fail(field)
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b[d.at:])
	d.at += 8
	return v
}

func (d *decoder) bytes(size uint64, field string) []byte {
	if d.err != nil || size > uint64(len(d.b)-d.at) {
		d.fail(field)
		return nil
	}
	if size == 0 {
		return nil
	}
	end := d.at + int(size)
	v := d.b[d.at:end:end]
	d.at = end
	return v
}
