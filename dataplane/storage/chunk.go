package storage

import (
	"encoding/binary"
	"fmt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// A snapshot travels as numbered chunks, each with a checksum. The first begins
// with the snapshot's header, the last ends with its totals.
const (
	chunkVersion = 3
	chunkTarget  = 64 << 10 // little work at a time: others wait for a processor meanwhile

	itemHeader  = 1
	itemValue   = 2
	itemSession = 3
	itemEnd     = 4
	itemKeyed   = 5 // before the end
)

// snapshotHeader says what a snapshot is of.
type snapshotHeader struct {
	partition partition.ID
	lineage   uint32
	applied   entry.Position
	logged    entry.LoggedTime
	hash      uint64
}

// snapshotTotals are what a whole snapshot has. The sums are of what it holds, not
// of how it is cut into chunks: they show what the chunks' checksums cannot, that
// chunks of two snapshots have been mixed.
type snapshotTotals struct {
	values, sessions, keyed uint64
	content                 uint64 // sum of itemSum over all values, as in the file's meta record
	others                  uint64 // sum of itemSum over all sessions and remembered requests with a key
}

// add counts an item.
func (t *snapshotTotals) add(i *chunkItem) {
	switch i.kind {
	case itemValue:
		t.values++
		t.content += itemSum(dataKind, i.key, i.stored)
	case itemSession:
		t.sessions++
		t.others += itemSum(sessionKind, binary.BigEndian.AppendUint64(nil, uint64(i.origin)), i.stored)
	case itemKeyed:
		t.keyed++
		t.others += itemSum(keyedKind, i.key, i.stored)
	}
}

// chunkItem is one part of a chunk. Which fields are set is by kind.
type chunkItem struct {
	kind   byte
	header snapshotHeader
	key    []byte // itemValue; itemKeyed: the ID
	stored []byte // itemValue: as in the file; itemSession, itemKeyed: its encoding
	origin partition.StoreID
	totals snapshotTotals
}

func beginChunk(number uint64, capacity int) []byte {
	b := append(make([]byte, 0, capacity), chunkVersion)
	return binary.AppendUvarint(b, number)
}

func appendItem(b []byte, i *chunkItem) []byte {
	b = append(b, i.kind)
	switch i.kind {
	case itemHeader:
		b = binary.AppendUvarint(b, uint64(i.header.partition))
		b = binary.LittleEndian.AppendUint32(b, i.header.lineage)
		b = appendPosition(b, i.header.applied)
		b = binary.AppendUvarint(b, uint64(i.header.logged))
		b = binary.LittleEndian.AppendUint64(b, i.header.hash)
	case itemValue, itemKeyed:
		b = appendBytes(b, i.key)
		b = appendBytes(b, i.stored)
	case itemSession:
		b = binary.LittleEndian.AppendUint64(b, uint64(i.origin))
		b = appendBytes(b, i.stored)
	case itemEnd:
		b = binary.AppendUvarint(b, i.totals.values)
		b = binary.AppendUvarint(b, i.totals.sessions)
		b = binary.AppendUvarint(b, i.totals.keyed)
		b = binary.LittleEndian.AppendUint64(b, i.totals.content)
		b = binary.LittleEndian.AppendUint64(b, i.totals.others)
	}
	return b
}

// decodeChunk gives the items of the chunk, which must have that number, to
// take, in order. They alias b.
func decodeChunk(b []byte, number uint64, take func(*chunkItem) error) error {
	what := fmt.Sprintf("snapshot chunk %d", number)
	body, err := unseal(b, what)
	if err != nil {
		return err
	}
	r := reader{b: body, what: what}
	if v := r.byte("version"); r.err == nil && v != chunkVersion {
		return fmt.Errorf("%s: %w: it has version %d, this program knows %d; run the same version of holdfast on all nodes", what, ErrOtherFormat, v, chunkVersion)
	}
	if n := r.uvarint("number"); r.err == nil && n != number {
		return fmt.Errorf("%s: %w: it is number %d", what, ErrDamaged, n)
	}
	for r.err == nil && len(r.b) > 0 {
		i := chunkItem{kind: r.byte("kind")}
		switch i.kind {
		case itemHeader:
			i.header.partition = r.partition()
			i.header.lineage = r.uint32("lineage")
			i.header.applied = r.position()
			i.header.logged = entry.LoggedTime(r.uvarint("logged time"))
			i.header.hash = r.uint64("hash")
		case itemValue, itemKeyed:
			i.key = r.bytes("key")
			i.stored = r.bytes("value")
			if len(i.key) == 0 {
				r.fail("key")
			}
		case itemSession:
			i.origin = partition.StoreID(r.uint64("origin"))
			i.stored = r.bytes("session")
		case itemEnd:
			i.totals = snapshotTotals{
				values: r.uvarint("values"), sessions: r.uvarint("sessions"), keyed: r.uvarint("keyed"),
				content: r.uint64("sum of values"), others: r.uint64("sum of requests"),
			}
		default:
			r.fail("kind")
		}
		if r.err != nil {
			break
		}
		if err := take(&i); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return r.end()
}
