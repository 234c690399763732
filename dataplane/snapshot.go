package dataplane

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// A snapshot travels as requests on the bulk connection, each answered before
// the next is sent: what it is of, its chunks, its end. The answer to a chunk
// says that it is written, so a slow receiver slows the sender, and no more
// than one chunk of a snapshot is in memory on either side. Where the connection
// breaks, the sender asks on the next one how far the receiver is, and goes on
// from there. It says again what the snapshot is of: parts of two never mix. A
// connection may also break, and another be there, while no part is under way: the
// receiver then knows nothing of the snapshot on the new one, and is asked too.
type part uint8

const (
	partBegin part = iota + 1
	partChunk
	partEnd
	partResume
	partGivenUp // the sender will not go on, for a reason of its own; it waits for no answer
)

// resumeWithin is for how long both sides keep a snapshot whose connection broke.
// The entries that come after it are kept as long, as for a learner that makes no
// progress.
const resumeWithin = 10 * time.Second

// streamIdle is for how long a receiver waits for the next part on a connection that
// lasts, in case that its sender could not say that it gave up: longer than a value
// of 8 MiB takes at a kilobyte a second, or a sender has others to serve first.
const streamIdle = 6 * time.Hour

// Answers to a part. A text may follow partFailed; how many parts were taken
// follows partAt, which only a resume is answered.
const (
	partTaken    = 1
	partUnwanted = 2 // the receiver has no use for it (any more)
	partFailed   = 3 // the receiver's storage or this order of parts
	partAt       = 4
	partUnknown  = 5 // no such snapshot, or not over this connection
)

var (
	errUnwanted  = errors.New("the receiver has no use for the snapshot")
	errIdle      = errors.New("nothing comes any more")
	errGivenUp   = errors.New("the sender does not go on")
	errNoRoom    = errors.New("the disk is nearly full: no copy is received")
	errPart      = errors.New("snapshot part refused")
	errPartForm  = errors.New("malformed part of a snapshot")
	errNoStream  = errors.New("no such snapshot under way")
	errReplaced  = errors.New("a newer snapshot of the partition replaced it")
	errTooMany   = errors.New("too many snapshots under way")
	errLinkDown  = errors.New("no connection")
	errEndedHere = errors.New("node is closing")
)

// stream names one snapshot under way between two boots.
type stream struct {
	partition partition.ID
	id        uint64
}

func appendPart(b []byte, p part, s stream) []byte {
	b = append(b, byte(p))
	b = binary.BigEndian.AppendUint32(b, uint32(s.partition))
	return binary.BigEndian.AppendUint64(b, s.id)
}

func decodePart(b []byte) (p part, s stream, rest []byte, err error) {
	r := reader{rest: b}
	p = part(r.byte())
	s = stream{partition: partition.ID(r.uint32()), id: r.uint64()}
	if r.failed || p < partBegin || p > partGivenUp {
		return 0, stream{}, nil, errPartForm
	}
	return p, s, r.rest, nil
}

func appendMeta(b []byte, m *replica.SnapshotMeta) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(m.Epoch))
	b = binary.BigEndian.AppendUint32(b, m.Lineage)
	b = binary.BigEndian.AppendUint64(b, m.Applied.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Applied.Epoch))
	return binary.BigEndian.AppendUint64(b, uint64(m.Estimated))
}

func decodeMeta(s stream, b []byte) (replica.SnapshotMeta, error) {
	r := reader{rest: b}
	m := replica.SnapshotMeta{
		Partition: s.partition, ID: s.id,
		Epoch: partition.Epoch(r.uint64()), Lineage: r.uint32(),
		Applied:   entry.Position{Sequence: r.uint64(), Epoch: partition.Epoch(r.uint64())},
		Estimated: int64(r.uint64()),
	}
	if r.failed || len(r.rest) > 0 {
		return replica.SnapshotMeta{}, errPartForm
	}
	return m, nil
}

// partAnswer is the answer that tells err to the sender.
func partAnswer(err error) []byte {
	switch {
	case err == nil:
		return []byte{partTaken}
	case errors.Is(err, errUnwanted):
		return []byte{partUnwanted}
	case errors.Is(err, errNoStream):
		return []byte{partUnknown}
	}
	return append([]byte{partFailed}, err.Error()...)
}

func decodePartAnswer(b []byte) error {
	switch {
	case len(b) == 1 && b[0] == partTaken:
		return nil
	case len(b) == 1 && b[0] == partUnwanted:
		return errUnwanted
	case len(b) == 1 && b[0] == partUnknown:
		return errNoStream
	case len(b) > 0 && b[0] == partFailed:
		return fmt.Errorf("%w: %s", errPart, b[1:])
	}
	return fmt.Errorf("answer: %w", errPartForm)
}

// resumeAnswer says how many parts of a snapshot have been taken.
func resumeAnswer(taken uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{partAt}, taken)
}

func decodeResumeAnswer(b []byte) (taken uint64, err error) {
	if len(b) > 0 && b[0] == partAt {
		r := reader{rest: b[1:]}
		taken = r.uint64()
		if !r.failed && len(r.rest) == 0 {
			return taken, nil
		}
	}
	if err := decodePartAnswer(b); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("answer: %w", errPartForm)
}
