package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// Which parts of a message follow; those that are zero do not.
const (
	hasConfiguration = 1 << iota
	hasPrevious
	hasLast
	hasFirst
	hasCommitted
	hasMismatch
	hasEntries
	hasBeacon // the beacon, or the answer to one: the kind tells
)

// smallestEntry is the least that an entry takes: head, position, lengths and
// checksum.
const smallestEntry = 5 + 4

// AppendMessage appends the encoding of a message. Several may follow one
// another in a frame. Beacon and Reply are written only in a message of their
// kind.
func AppendMessage(dst []byte, m *replica.Message) []byte {
	beacon := m.Kind == replica.BeaconMessage && m.Beacon != nil
	reply := m.Kind == replica.BeaconReply && m.Reply != nil
	flags := flag(m.Configuration != nil, hasConfiguration) |
		flag(m.Previous != entry.Position{}, hasPrevious) | flag(m.Last != entry.Position{}, hasLast) |
		flag(m.First != 0, hasFirst) | flag(m.Committed != 0, hasCommitted) | flag(m.Mismatch, hasMismatch) |
		flag(len(m.Entries) > 0, hasEntries) | flag(beacon || reply, hasBeacon)
	dst = append(dst, byte(m.Kind), flags)
	dst = binary.AppendUvarint(dst, uint64(m.Partition))
	dst = binary.AppendUvarint(dst, uint64(m.Epoch))
	if m.Configuration != nil {
		dst = AppendConfiguration(dst, m.Configuration)
	}
	if flags&hasPrevious != 0 {
		dst = appendPosition(dst, m.Previous)
	}
	if flags&hasLast != 0 {
		dst = appendPosition(dst, m.Last)
	}
	if flags&hasFirst != 0 {
		dst = binary.AppendUvarint(dst, m.First)
	}
	if flags&hasCommitted != 0 {
		dst = binary.AppendUvarint(dst, m.Committed)
	}
	if flags&hasEntries != 0 {
		dst = appendEntries(dst, m.Entries)
	}
	if m.Kind == replica.HashReply {
		dst = binary.LittleEndian.AppendUint64(dst, m.Hash)
	}
	switch {
	case beacon:
		dst = appendBeacon(dst, m.Beacon)
	case reply:
		dst = appendAnswering(dst, m.Reply)
	}
	return dst
}

// appendEntries writes how many there are and the bytes that they take, so that
// a decoder copies them at once.
func appendEntries(dst []byte, entries []*entry.Entry) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	for _, e := range entries {
		dst = e.AppendTo(dst)
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst
}

// DecodeMessage decodes the first message of b, and returns what follows it. The
// message shares no memory with b; the keys and values of its entries share one
// piece of memory with each other.
func DecodeMessage(b []byte) (m replica.Message, rest []byte, err error) {
	d := newDecoder("message", b)
	m.Kind = replica.MessageKind(d.byte("kind"))
	if m.Kind < replica.Probe || int(m.Kind) >= replica.Kinds {
		d.fail("kind")
	}
	flags := d.flags(0xff)
	m.Partition, m.Epoch = d.partition(), d.epoch()
	if flags&hasConfiguration != 0 {
		m.Configuration = d.configuration()
	}
	if flags&hasPrevious != 0 {
		m.Previous = d.position("previous")
	}
	if flags&hasLast != 0 {
		m.Last = d.position("last")
	}
	if flags&hasFirst != 0 {
		m.First = d.present("first")
	}
	if flags&hasCommitted != 0 {
		m.Committed = d.present("committed")
	}
	m.Mismatch = flags&hasMismatch != 0
	if flags&hasEntries != 0 {
		m.Entries = d.entries()
	}
	if m.Kind == replica.HashReply {
		m.Hash = d.uint64("hash")
	}
	if flags&hasBeacon != 0 {
		switch m.Kind {
		case replica.BeaconMessage:
			m.Beacon = d.beacon()
		case replica.BeaconReply:
			m.Reply = d.answering()
		default:
			d.fail("flags")
		}
	}
	if d.err != nil {
		return replica.Message{}, nil, d.err
	}
	return m, d.b, nil
}

// entries takes three allocations, however many there are.
func (d *decoder) entries() []*entry.Entry {
	n := d.count(smallestEntry, "entries")
	b := d.bytes(uint64(d.uint32("entries")), "entries")
	if n == 0 || n > len(b)/smallestEntry {
		d.fail("entries")
		return nil
	}
	b = append(make([]byte, 0, len(b)), b...)
	values, list := make([]entry.Entry, n), make([]*entry.Entry, n)
	for i := range values {
		var err error
		if values[i], b, err = entry.DecodeEntry(b); err != nil {
			d.fail("entry")
			d.err = fmt.Errorf("%w: %w", d.err, err)
			return nil
		}
		list[i] = &values[i]
	}
	if len(b) > 0 {
		d.fail("entries")
		return nil
	}
	return list
}
