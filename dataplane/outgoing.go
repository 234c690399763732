package dataplane

import (
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

// outgoing is one snapshot on its way to a learner. One goroutine at a time has it.
type outgoing struct {
	order    replica.SnapshotOrder
	snapshot *storage.Snapshot // nil: not begun
	meta     replica.SnapshotMeta
	part     []byte // the latest
	parts    uint64 // how many there were so far, with the latest
	last     bool   // the latest ends the snapshot
	broke    int    // how often the connection did with it under way
	stopped  int    // how often the stream stopped at it
	taken    bool   // the receiver has said, after a break, that it has the latest
	through  bool   // and that was the last
}

func (o *outgoing) id() stream { return stream{partition: o.order.Partition, id: o.order.ID} }

// begin opens the snapshot, and makes its first part.
func (o *outgoing) begin(open func(partition.ID) (*storage.Snapshot, error)) (err error) {
	if o.snapshot, err = open(o.order.Partition); err != nil {
		return err
	}
	o.meta = replica.SnapshotMeta{
		Partition: o.order.Partition, Epoch: o.order.Epoch, ID: o.order.ID,
		Lineage: o.snapshot.Lineage, Applied: o.snapshot.Applied, Estimated: o.snapshot.Estimated,
	}
	o.part, o.parts = o.of(partBegin), 1
	return nil
}

// of is a part that says what the snapshot is of: its beginning, or a question how
// far it has come.
func (o *outgoing) of(p part) []byte { return appendMeta(appendPart(nil, p, o.id()), &o.meta) }

// next makes the next part: a chunk, of which wait is told the size before it is
// packed, or the end.
func (o *outgoing) next(p *packer, wait func(bytes int) error) error {
	chunk, err := o.snapshot.Next()
	switch {
	case errors.Is(err, io.EOF):
		o.part, o.last = appendPart(o.part[:0], partEnd, o.id()), true
	case err != nil:
		return fmt.Errorf("read: %w", err)
	default:
		if err := wait(len(chunk)); err != nil {
			return err
		}
		o.part = p.pack(appendPart(o.part[:0], partChunk, o.id()), chunk)
	}
	o.parts++
	o.broke, o.stopped, o.taken = 0, 0, false
	return nil
}

// goOn prepares a stream that broke for what the receiver says that it has: all
// parts, or all but the latest, to which the answer was lost, or the part itself.
func (o *outgoing) goOn(taken uint64) error {
	switch taken {
	case o.parts:
		o.taken, o.through = true, o.last
	case o.parts - 1:
		o.taken = false
	default:
		return fmt.Errorf("%w: the receiver has %d parts of %d", errPartForm, taken, o.parts)
	}
	return nil
}

// close lets go of the snapshot. It may be called more than once.
func (o *outgoing) close() {
	if o.snapshot != nil {
		_ = o.snapshot.Close() // only read from
	}
}
