package rebalance

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// settled knows for how long each partition has been as it is. A move that begins
// right after another change may come to the partition's primary together with it:
// the primary misses an epoch, must take over anew, and commits nothing for as long
// as a promise lasts (rules C6 and L6).
type settled struct {
	seen    *partition.Map
	epochs  []partition.Epoch
	changed []time.Duration // when the epoch was first seen
}

// look takes in a map. What is seen for the first time counts as settled.
func (s *settled) look(now time.Duration, m *partition.Map) {
	if s.seen == m {
		return
	}
	s.seen = m
	for i := range m.Partitions {
		switch epoch := m.Partitions[i].Epoch; {
		case i == len(s.epochs):
			s.epochs, s.changed = append(s.epochs, epoch), append(s.changed, now-time.Hour)
		case s.epochs[i] != epoch:
			s.epochs[i], s.changed[i] = epoch, now
		}
	}
}

// since reports whether the partition has been as it is since that time.
func (s *settled) since(id partition.ID, at time.Duration) bool { return s.changed[id] <= at }
