package state

import (
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-io/holdfast/partition"
)

// maxGiven bounds the epochs of a partition that are remembered, the present one
// among them.
const maxGiven = 8

// given is what the map said of a partition in one epoch. A process that starts knows
// no map, but has on disk what it has adopted: where this history gave that epoch
// another configuration, the coordinators were restored from an old backup.
type given struct {
	epoch partition.Epoch
	hash  uint64 // of the configuration
}

// give remembers what a new map says of the partitions that it changed. Anew forgets
// all that was before.
func (m *memory) give(old, next *partition.Map, anew bool) {
	if anew || len(m.given) != len(next.Partitions) {
		m.given = make([][]given, len(next.Partitions))
	}
	for i := range next.Partitions {
		c := &next.Partitions[i]
		if i < len(old.Partitions) && old.Partitions[i].Epoch == c.Epoch {
			continue
		}
		g := m.given[i]
		if len(g) == maxGiven {
			g = slices.Delete(g, 0, 1)
		}
		m.given[i] = append(g, given{epoch: c.Epoch, hash: hashOf(c)})
	}
}

// neverGave reports whether a copy has adopted what this history said at no time: false
// where that epoch is older than all that are remembered.
func (m *memory) neverGave(have *Copy) bool {
	if have.Configuration == nil || uint64(have.Partition) >= uint64(len(m.given)) {
		return false
	}
	g := m.given[have.Partition]
	if len(g) == 0 || have.Epoch < g[0].epoch {
		return false
	}
	return !slices.Contains(g, given{epoch: have.Epoch, hash: hashOf(have.Configuration)})
}

func hashOf(c *partition.Configuration) uint64 {
	w := &writer{}
	w.configuration(*c)
	return xxhash.Sum64(w.b)
}

func (m *memory) validateGiven(c *partition.Map) error {
	if len(m.given) != len(c.Partitions) {
		return fmt.Errorf("%w: epochs of %d partitions are remembered, there are %d", ErrInvalid, len(m.given), len(c.Partitions))
	}
	return nil
}

func (w *writer) given(list []given) {
	writeList(w, list, func(g given) {
		w.uint(uint64(g.epoch))
		w.fixed(g.hash)
	})
}

func (r *reader) given() []given {
	return readList(r, 9, func() given { return given{epoch: partition.Epoch(r.uint()), hash: r.fixed()} })
}
