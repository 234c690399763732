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
	*call
	from, to int64
	// follows is the sequence of the key's write before it: known of writes and
	// of reads of a value; of reads of nothing once they are placed.
	follows uint64
	placed  bool
}

// writes reports whether the call took effect as a write.
func (s *span) writes() bool { return s.fate == done && s.sequence != 0 }

// tighten narrows the spans of a key's history by what is certain: writes take
// effect in the order of their sequences, and a read between the write that it
// follows and the next. It adds no constraint that is not implied, and makes the
// search for an order short. It returns false where some span becomes empty:
// there is no such order.
func tighten(history, writes []*span) bool {
	reads := map[uint64][]*span{} // by the write that they follow
	for _, s := range history {
		if s.placed && !s.writes() {
			reads[s.follows] = append(reads[s.follows], s)
		}
	}
	earliest := int64(0)
	follow := func(sequence uint64) {
		for _, r := range reads[sequence] {
			r.from = max(r.from, earliest+1)
		}
		for _, r := range reads[sequence] {
			earliest = max(earliest, r.from)
		}
	}
	follow(0)
	for _, s := range writes {
		s.from = max(s.from, earliest+1)
		earliest = s.from
		follow(s.sequence)
	}
	latest := int64(1) << 62
	precede := func(sequence uint64) {
		before := latest
		for _, r := range reads[sequence] {
			r.to = min(r.to, before-1)
			latest = min(latest, r.to)
		}
	}
	for _, s := range slices.Backward(writes) {
		precede(s.sequence)
		s.to = min(s.to, latest-1)
		latest = s.to
	}
	precede(0)
	return !slices.ContainsFunc(history, func(s *span) bool { return s.from > s.to })
}

// arrange sorts the writes of a history, and places what it can.
func arrange(history []*span) (writes []*span) {
	for _, s := range history {
		switch {
		case s.writes():
			writes = append(writes, s)
		case s.sequence != 0:
			s.follows, s.placed = s.sequence, true
		}
	}
	slices.SortFunc(writes, func(a, b *span) int { return cmp.Compare(a.sequence, b.sequence) })
	for i, s := range writes {
		s.placed = true
		if i > 0 {
			s.follows = writes[i-1].sequence
		}
	}
	return writes
}

// place gives each read of nothing the first place where there was nothing
// within its span. That is a guess: another place may fit where this does not.
func place(history, writes []*span) {
	for _, s := range history {
		if s.placed {
			continue
		}
		for i := -1; i < len(writes); i++ {
			begins, ends := int64(0), int64(1)<<62
			if i >= 0 {
				begins = writes[i].from
			}
			if i+1 < len(writes) {
				ends = writes[i+1].to
			}
			if (i < 0 || writes[i].absentAfter()) && begins < s.to && s.from < ends {
				s.placed, s.follows = true, 0
				if i >= 0 {
					s.follows = writes[i].sequence
				}
				break
			}
		}
	}
}
