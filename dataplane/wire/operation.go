package wire

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// Which parts of an operation follow, and what it asks without more words.
const (
	hasRequest = 1 << iota
	hasIfMatch
	hasIfMatchAny
	hasIfNoneMatch
	hasIfNoneMatchStar
	hasIdempotency
	hasTTL

	smallestETag = 4 + 1
)

// AppendOperation appends the encoding of an operation. Its deadline travels as
// the time that remains, for clocks of different nodes are not compared; its tag
// stays behind.
func AppendOperation(dst []byte, op *replica.Operation, remaining time.Duration) []byte {
	c := &op.Condition
	flags := flag(!op.Request.IsZero() || op.LowestOpen != 0, hasRequest) |
		flag(len(c.IfMatch) > 0, hasIfMatch) | flag(c.IfMatchAny, hasIfMatchAny) |
		flag(len(c.IfNoneMatch) > 0, hasIfNoneMatch) | flag(c.IfNoneMatchStar, hasIfNoneMatchStar) |
		flag(op.Idempotency != nil, hasIdempotency) | flag(op.TTL > 0, hasTTL)
	dst = append(dst, byte(op.Action), flags)
	dst = binary.AppendUvarint(dst, uint64(op.Partition))
	dst = binary.AppendUvarint(dst, uint64(op.Epoch))
	dst = appendDuration(dst, remaining)
	if flags&hasRequest != 0 {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(op.Request.Origin))
		dst = binary.AppendUvarint(dst, op.Request.Boot)
		dst = binary.LittleEndian.AppendUint64(dst, uint64(op.Request.Start))
		dst = binary.AppendUvarint(dst, op.Request.Counter)
		dst = binary.AppendUvarint(dst, op.LowestOpen)
	}
	if flags&hasIfMatch != 0 {
		dst = appendETags(dst, c.IfMatch)
	}
	if flags&hasIfNoneMatch != 0 {
		dst = appendETags(dst, c.IfNoneMatch)
	}
	if i := op.Idempotency; i != nil {
		dst = append(append(dst, i.ID[:]...), i.Fingerprint[:]...)
	}
	if op.TTL > 0 {
		dst = appendDuration(dst, op.TTL)
	}
	dst = binary.AppendUvarint(dst, uint64(len(op.Key)))
	dst = binary.AppendUvarint(dst, uint64(len(op.Value)))
	dst = append(dst, op.Key...)
	return append(dst, op.Value...)
}

func appendETags(dst []byte, list []entry.ETag) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, t := range list {
		dst = binary.LittleEndian.AppendUint32(dst, t.Lineage)
		dst = binary.AppendUvarint(dst, t.Sequence)
	}
	return dst
}

// DecodeOperation decodes an operation that is all of b, with its deadline by
// the receiver's clock, which reads now. It shares no memory with b. An empty
// value comes out as nil.
func DecodeOperation(b []byte, now replica.Time) (replica.Operation, error) {
	d := newDecoder("operation", b)
	op := replica.Operation{Action: replica.Action(d.byte("action"))}
	if op.Action < replica.Get || op.Action > replica.Delete {
		d.fail("action")
	}
	flags := d.flags(hasRequest | hasIfMatch | hasIfMatchAny | hasIfNoneMatch | hasIfNoneMatchStar | hasIdempotency | hasTTL)
	op.Partition, op.Epoch = d.partition(), d.epoch()
	op.Deadline = deadline(now, d.duration("deadline"))
	if flags&hasRequest != 0 {
		op.Request = entry.RequestID{
			Origin: partition.StoreID(d.uint64("request")), Boot: d.uvarint("request"), Start: partition.StartID(d.uint64("request")), Counter: d.uvarint("request"),
		}
		op.LowestOpen = d.uvarint("request")
		if op.Request.IsZero() && op.LowestOpen == 0 {
			d.fail("request")
		}
	}
	c := &op.Condition
	c.IfMatchAny, c.IfNoneMatchStar = flags&hasIfMatchAny != 0, flags&hasIfNoneMatchStar != 0
	if flags&hasIfMatch != 0 {
		c.IfMatch = d.etags("if-match")
	}
	if flags&hasIfNoneMatch != 0 {
		c.IfNoneMatch = d.etags("if-none-match")
	}
	if flags&hasIdempotency != 0 {
		op.Idempotency = new(entry.Idempotency)
		copy(op.Idempotency.ID[:], d.bytes(16, "idempotency"))
		copy(op.Idempotency.Fingerprint[:], d.bytes(16, "idempotency"))
	}
	if flags&hasTTL != 0 {
		if op.TTL = d.duration("ttl"); op.TTL == 0 {
			d.fail("ttl")
		}
	}
	keySize, valueSize := d.uvarint("key length"), d.uvarint("value length")
	key, value := d.bytes(keySize, "key"), d.bytes(valueSize, "value")
	if err := d.end(); err != nil {
		return replica.Operation{}, err
	}
	op.Key, op.Value = separate(key, value)
	return op, nil
}

func (d *decoder) etags(field string) []entry.ETag {
	n := d.count(smallestETag, field)
	if n == 0 {
		d.fail(field)
		return nil
	}
	list := make([]entry.ETag, n)
	for i := range list {
		list[i] = entry.ETag{Lineage: d.uint32(field), Sequence: d.uvarint(field)}
	}
	return list
}

// deadline is now and what remains, or the end of time.
func deadline(now replica.Time, remaining time.Duration) replica.Time {
	if now > 0 && int64(remaining) > math.MaxInt64-int64(now) {
		return math.MaxInt64
	}
	return now.Add(remaining)
}
