package replica

import (
	"sort"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// window is the part of a partition's log that is kept in memory: the entries
// after base, without gaps. All entries up to base are committed, flushed, and
// the same in every log of the lineage.
type window struct {
	base    entry.Position
	entries []logged
}

// logged is an entry with the bytes of the log up to and with it, so that the
// size of a range is one subtraction.
type logged struct {
	*entry.Entry
	total uint64
}

func (w *window) reset(base entry.Position) { *w = window{base: base} }

func (w *window) last() entry.Position {
	if n := len(w.entries); n > 0 {
		return w.entries[n-1].Position
	}
	return w.base
}

// at returns the entry with that sequence, or nil outside the window.
func (w *window) at(sequence uint64) *entry.Entry {
	if sequence <= w.base.Sequence || sequence > w.last().Sequence {
		return nil
	}
	return w.entries[sequence-w.base.Sequence-1].Entry
}

// position returns the position of the entry with that sequence; base counts.
func (w *window) position(sequence uint64) (entry.Position, bool) {
	if sequence == w.base.Sequence {
		return w.base, true
	}
	if e := w.at(sequence); e != nil {
		return e.Position, true
	}
	return entry.Position{}, false
}

// has reports whether the log has the entry p. What lies before base is committed
// and agrees with every log of the lineage; of base itself the epoch is known.
func (w *window) has(p entry.Position) bool {
	switch {
	case p.Sequence < w.base.Sequence:
		return true
	case p.Sequence == w.base.Sequence:
		return p.Epoch == w.base.Epoch
	}
	e := w.at(p.Sequence)
	return e != nil && e.Epoch == p.Epoch
}

// contiguous reports whether entries follow previous, and one another: no sequence
// is left out or comes twice, and no epoch is lower than the one before it, or
// higher than highest.
func contiguous(previous entry.Position, entries []*entry.Entry, highest partition.Epoch) bool {
	for _, e := range entries {
		if e == nil || e.Sequence != previous.Sequence+1 || e.Epoch < previous.Epoch || e.Epoch > highest {
			return false
		}
		previous = e.Position
	}
	return true
}

func (w *window) append(e *entry.Entry) {
	var total uint64
	if n := len(w.entries); n > 0 {
		total = w.entries[n-1].total
	}
	w.entries = append(w.entries, logged{e, total + uint64(e.Size())})
}

// truncate drops the entries after sequence. Slices handed out before keep
// what they had.
func (w *window) truncate(sequence uint64) {
	if sequence < w.last().Sequence {
		n := int(sequence - w.base.Sequence)
		w.entries = w.entries[:n:n]
	}
}

// trim drops the entries up to sequence from memory.
func (w *window) trim(sequence uint64) {
	if e := w.at(sequence); e != nil {
		n := sequence - w.base.Sequence
		w.base = e.Position
		clear(w.entries[:n]) // the values may go before the array does
		w.entries = w.entries[n:]
		if cap(w.entries) > 64 && len(w.entries) < cap(w.entries)/4 {
			w.entries = append([]logged(nil), w.entries...)
		}
	}
}

// bytes returns the size of the entries after sequence from up to sequence to.
func (w *window) bytes(from, to uint64) int {
	return int(w.totalAt(to) - w.totalAt(from))
}

func (w *window) totalAt(sequence uint64) uint64 {
	switch {
	case len(w.entries) == 0:
		return 0
	case sequence <= w.base.Sequence:
		return w.entries[0].total - uint64(w.entries[0].Size())
	case sequence >= w.last().Sequence:
		return w.entries[len(w.entries)-1].total
	}
	return w.entries[sequence-w.base.Sequence-1].total
}

// after returns the entries after sequence, at least one if there is one, and
// no more than limit bytes of them. The sequence is not before base.
func (w *window) after(sequence uint64, limit int) []*entry.Entry {
	var out []*entry.Entry
	size := 0
	for s := sequence + 1; ; s++ {
		e := w.at(s)
		if e == nil || size > 0 && size+e.Size() > limit {
			return out
		}
		if out == nil {
			out = make([]*entry.Entry, 0, min(w.last().Sequence-sequence, 64))
		}
		out = append(out, e)
		size += e.Size()
	}
}

// between returns the entries after sequence from up to sequence to, all of
// which are in the window.
func (w *window) between(from, to uint64) []*entry.Entry {
	out := make([]*entry.Entry, 0, to-from)
	for s := from + 1; s <= to; s++ {
		out = append(out, w.at(s))
	}
	return out
}

// agreement returns the sequence where a log that has p may agree with this
// one at the latest: the last position here that is not after p in either
// sequence or epoch.
func (w *window) agreement(p entry.Position) uint64 {
	return w.lastBelow(p.Sequence, p.Epoch)
}

// lastBelow returns the highest sequence up to limit whose epoch is at most
// epoch, but not before base. Epochs never fall along a log.
func (w *window) lastBelow(limit uint64, epoch partition.Epoch) uint64 {
	n := len(w.entries)
	if limit <= w.base.Sequence {
		return w.base.Sequence
	}
	n = min(n, int(limit-w.base.Sequence))
	i := sort.Search(n, func(i int) bool { return w.entries[i].Epoch > epoch })
	return w.base.Sequence + uint64(i)
}
