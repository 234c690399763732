package storage

import (
	"errors"

	"github.com/holdfast-io/holdfast/partition"
)

// mend asks for a log without what is in it now: something in it is damaged. It
// does not wait.
func (f *flusher) mend() {
	select {
	case f.damaged <- struct{}{}:
	default: // it is asked for already
	}
}

// beginMending begins a stretch of the log, behind all that is damaged.
func (f *flusher) beginMending() {
	f.e.writer.append(appended{own: &record{kind: quietRecord}, renew: true})
	if f.e.writer.barrier() {
		f.mendTo = f.e.retention.newest()
	}
}

// goOnMending flushes one of the partitions whose entries are in front of that
// stretch and nowhere else, or has the entries written again that cannot be
// flushed yet. Once there are none, the log is cut.
func (f *flusher) goOnMending() error {
	if !f.e.writer.barrier() {
		return nil
	}
	f.settleAll()
	first, needy := f.e.retention.oldest()
	if first >= f.mendTo {
		f.cut()
		f.mendTo = 0
		f.e.options.Logger.Warn("the log is cut behind what was damaged", "batch", first)
		return nil
	}
	id, found := f.pick(func(id partition.ID, t *Table) bool {
		least, ok := needy[id]
		at, _ := t.Applied()
		return ok && at.Sequence >= least
	})
	if found {
		err := f.e.flush(id, false)
		if errors.Is(err, ErrClosed) || errors.Is(err, ErrNoCopy) || isDamage(err) {
			return nil
		}
		return err
	}
	f.carry()
	return nil
}

// settleAll takes in what has been told of flushes.
func (f *flusher) settleAll() {
	for {
		select {
		case n := <-f.settled:
			f.settle(n)
		default:
			return
		}
	}
}
