package storage

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// recordKind says what a record of the log is about.
type recordKind uint8

const (
	// entryRecord replaces all of its partition's log from its sequence on.
	entryRecord recordKind = iota + 1
	// adoptedRecord: the copy has adopted an epoch, with its configuration and
	// lineage.
	adoptedRecord
	// openedRecord begins an empty copy; what the log had of the partition
	// before is void.
	openedRecord
	// installedRecord begins a copy with a snapshot's file; as openedRecord.
	installedRecord
	// droppedRecord ends a copy.
	droppedRecord
	// flushedRecord: the partition's file is there, and holds everything up to
	// applied.
	flushedRecord
	// checkpointRecord holds what the log knows of every copy. It is the first
	// record of every stretch of the log.
	checkpointRecord
	// quietRecord says nothing. It is written when nothing else has been for a
	// while: damage to the batch before it can then no longer be taken for a
	// write that a crash cut short.
	quietRecord
)

func (k recordKind) ofPartition() bool { return k < checkpointRecord }

// record is one item of a group commit. Which fields are set is by kind.
type record struct {
	kind       recordKind
	partition  partition.ID
	lineage    uint32
	generation uint64
	epoch      partition.Epoch
	// configuration is that of epoch; nil where it is not known.
	configuration *partition.Configuration
	applied       entry.Position
	entry         *entry.Entry
	copies        []copyFacts
}

const (
	batchHeaderSize  = 8 + 8 + 4 + 4
	recordHeaderSize = 4 + 4
	// maxBatch is the most that one group commit carries, except for a single
	// larger record.
	maxBatch = 32 << 20
)

// appendBatchHeader makes room for the header of a batch at the start of dst.
func appendBatchHeader(dst []byte) []byte {
	return append(dst, make([]byte, batchHeaderSize)...)
}

// finishBatch fills in the header of the batch b. The salt is the log's own
// random number: no value that a client stores can look like a batch.
func finishBatch(b []byte, salt, index uint64) {
	binary.LittleEndian.PutUint64(b, salt)
	binary.LittleEndian.PutUint64(b[8:], index)
	binary.LittleEndian.PutUint32(b[16:], uint32(len(b)-batchHeaderSize))
	binary.LittleEndian.PutUint32(b[20:], checksum(b[:20]))
}

// batchHeader returns the index of the batch that b starts with, and the
// length of its records. b may be shorter than the batch.
func batchHeader(b []byte, salt uint64) (index uint64, length int, ok bool) {
	if len(b) < batchHeaderSize || binary.LittleEndian.Uint64(b) != salt ||
		binary.LittleEndian.Uint32(b[20:]) != checksum(b[:20]) {
		return 0, 0, false
	}
	return binary.LittleEndian.Uint64(b[8:]), int(binary.LittleEndian.Uint32(b[16:])), true
}

// appendRecord appends the record with its length and checksum.
func appendRecord(dst []byte, r *record) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, recordHeaderSize)...)
	dst = append(dst, byte(r.kind))
	if r.kind.ofPartition() {
		dst = binary.AppendUvarint(dst, uint64(r.partition))
	}
	switch r.kind {
	case entryRecord:
		dst = binary.LittleEndian.AppendUint32(dst, r.lineage)
		dst = r.entry.AppendTo(dst)
	case adoptedRecord:
		dst = binary.LittleEndian.AppendUint32(dst, r.lineage)
		dst = binary.AppendUvarint(dst, uint64(r.epoch))
		dst = appendConfiguration(dst, r.configuration)
	case openedRecord:
		dst = binary.LittleEndian.AppendUint32(dst, r.lineage)
		dst = binary.AppendUvarint(dst, r.generation)
	case installedRecord:
		dst = binary.LittleEndian.AppendUint32(dst, r.lineage)
		dst = binary.AppendUvarint(dst, r.generation)
		dst = appendPosition(dst, r.applied)
	case droppedRecord:
		dst = binary.AppendUvarint(dst, r.generation)
	case flushedRecord:
		dst = binary.AppendUvarint(dst, r.generation)
		dst = appendPosition(dst, r.applied)
	case checkpointRecord:
		dst = binary.AppendUvarint(dst, uint64(len(r.copies)))
		for i := range r.copies {
			dst = r.copies[i].appendTo(dst)
		}
	}
	body := dst[start+recordHeaderSize:]
	binary.LittleEndian.PutUint32(dst[start:], uint32(len(body)))
	binary.LittleEndian.PutUint32(dst[start+4:], checksum(body))
	return dst
}

// decodeRecord decodes the record at the start of b. Its entry aliases b.
func decodeRecord(b []byte) (rec record, rest []byte, err error) {
	if len(b) < recordHeaderSize {
		return rec, nil, fmt.Errorf("log record: %w: cut off", ErrDamaged)
	}
	length, sum := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	b = b[recordHeaderSize:]
	if uint64(length) > uint64(len(b)) || checksum(b[:length]) != sum {
		return rec, nil, fmt.Errorf("log record: %w: wrong checksum", ErrDamaged)
	}
	r := reader{b: b[:length], what: "log record"}
	rec.kind = recordKind(r.byte("kind"))
	if rec.kind.ofPartition() {
		rec.partition = r.partition()
	}
	switch rec.kind {
	case entryRecord:
		rec.lineage = r.uint32("lineage")
		if r.err != nil {
			break
		}
		e, left, err := entry.DecodeEntry(r.b)
		if err != nil {
			return rec, nil, fmt.Errorf("log record: %w: %w", ErrDamaged, err)
		}
		rec.entry, r.b = &e, left
	case adoptedRecord:
		rec.lineage = r.uint32("lineage")
		rec.epoch = partition.Epoch(r.uvarint("epoch"))
		rec.configuration = r.configuration(rec.partition, rec.epoch)
	case openedRecord:
		rec.lineage = r.uint32("lineage")
		rec.generation = r.uvarint("generation")
	case installedRecord:
		rec.lineage = r.uint32("lineage")
		rec.generation = r.uvarint("generation")
		rec.applied = r.position()
	case droppedRecord:
		rec.generation = r.uvarint("generation")
	case flushedRecord:
		rec.generation = r.uvarint("generation")
		rec.applied = r.position()
	case checkpointRecord:
		count := r.uvarint("count")
		for range count {
			c := decodeCopyFacts(&r)
			if r.err != nil {
				break
			}
			rec.copies = append(rec.copies, c)
		}
	case quietRecord:
	default:
		r.fail("kind") // of a later version, whose store.json would have said so
	}
	if err := r.end(); err != nil {
		return rec, nil, err
	}
	return rec, b[length:], nil
}

func appendPosition(dst []byte, p entry.Position) []byte {
	dst = binary.AppendUvarint(dst, p.Sequence)
	return binary.AppendUvarint(dst, uint64(p.Epoch))
}

func (r *reader) position() entry.Position {
	return entry.Position{Sequence: r.uvarint("sequence"), Epoch: partition.Epoch(r.uvarint("epoch"))}
}

func (r *reader) partition() partition.ID {
	v := r.uvarint("partition")
	if v > math.MaxUint32 {
		r.fail("partition")
	}
	return partition.ID(v)
}
