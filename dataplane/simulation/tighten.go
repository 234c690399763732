package simulation

import (
	"cmp"
	"slices"
)

// fine is how many bits finer than a nanosecond the times of a history are, so
// that things of one instant can be put in order.
const fine = 20

// span is a call and the time in which it took effect.
type span struct {
	call     *call
	from, to int64
}

// tighten narrows the spans of a key's history by what is certain: writes take
// effect in the order of their sequences, and a read of a value between its
// write and the next. It adds no constraint that is not implied, and makes the
// search for an order short. It returns false where some span becomes empty:
// there is no such order.
func tighten(history []*span) bool {
	var writes []*span
	reads := map[uint64][]*span{} // of a value, by its sequence
	for _, s := range history {
		switch {
		case s.call.sequence == 0: // of no value: it may fit in several places
		case s.call.fate == done:
			writes = append(writes, s)
		default:
			reads[s.call.sequence] = append(reads[s.call.sequence], s)
		}
	}
	slices.SortFunc(writes, func(a, b *span) int { return cmp.Compare(a.call.sequence, b.call.sequence) })
	earliest := int64(0)
	for i, s := range writes {
		if i > 0 {
			s.call.follows = writes[i-1].call.sequence
		}
		s.from = max(s.from, earliest+1)
		earliest = s.from
		for _, r := range reads[s.call.sequence] {
			r.from = max(r.from, s.from+1)
			earliest = max(earliest, r.from)
		}
	}
	latest := int64(1) << 62
	for _, s := range slices.Backward(writes) {
		s.to = min(s.to, latest-1)
		for _, r := range reads[s.call.sequence] {
			r.to = min(r.to, latest-1)
			s.to = min(s.to, r.to-1)
		}
		latest = s.to
	}
	for _, s := range history {
		if s.from > s.to {
			return false
		}
	}
	return true
}
