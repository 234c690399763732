package simulation

import (
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// starts is what store.json keeps of the starts on a disk.
type starts struct {
	now      partition.Start // the latest
	accepted partition.Start // the last that the coordinators accepted, as far as it was told
	// acceptedIn is the version of the map that told so.
	acceptedIn uint64
	since      []partition.Start
}

// next begins a start, which draws a number.
func (s *starts) next(number uint64) {
	if !s.now.IsZero() && s.now != s.accepted {
		s.since = append(slices.Clip(s.since), s.now)
	}
	s.now = partition.Start{Incarnation: s.now.Incarnation + 1, ID: partition.StartID(number | 1)}
}

// knows reports whether that start was made on the disk, as far as it remembers.
func (s *starts) knows(start partition.Start) bool {
	return start == s.now || start == s.accepted || slices.Contains(s.since, start)
}

// accept notes that the map names the latest start.
func (s *starts) accept(version uint64) { s.accepted, s.acceptedIn, s.since = s.now, version, nil }
