package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-io/holdfast/partition"
)

// maxRecent bounds the stamps of earlier maps that are remembered. Where there would
// be more, the older half is forgotten.
const maxRecent = 1024

// lineage tells the maps of this history from those of another. Coordinators that
// were restored from an old backup give the same versions again, so a version alone
// does not say whether a node's map is one of theirs.
type lineage struct {
	// history is a hash of every command so far, each with its index. Coordinators
	// that were restored carry out other commands, and never come to it again.
	history uint64
	// recent are the stamps of the last maps, the present one last.
	recent []partition.Stamp
}

// Descent is how a map that somebody has relates to the machine's maps.
type Descent uint8

const (
	// Known: it is the present map, an earlier one, or older than all that the
	// machine remembers.
	Known Descent = iota
	// Later: its version is above the present one.
	Later
	// Foreign: this history has no such map.
	Foreign
)

// Descent tells how a map relates to those of this machine.
func (m *Machine) Descent(s partition.Stamp) Descent { return m.memory.lineage.descent(s) }

func (l *lineage) descent(s partition.Stamp) Descent {
	switch n := len(l.recent); {
	case n == 0 && s.Version > 0, n > 0 && s.Version > l.recent[n-1].Version:
		return Later
	case n == 0, s.Version < l.recent[0].Version:
		return Known
	}
	if _, found := slices.BinarySearchFunc(l.recent, s, compareStamps); !found {
		return Foreign
	}
	return Known
}

func compareStamps(x, y partition.Stamp) int {
	return cmp.Or(cmp.Compare(x.Version, y.Version), cmp.Compare(x.History, y.History))
}

// carryOut chains a command to those before it.
func (l *lineage) carryOut(index uint64, c Command) {
	raw, err := encode(c)
	if err != nil {
		raw = fmt.Appendf(nil, "%T", c) // no command: it changes nothing
	}
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 24), l.history)
	b = binary.LittleEndian.AppendUint64(b, index)
	b = binary.LittleEndian.AppendUint64(b, xxhash.Sum64(raw))
	l.history = xxhash.Sum64(b)
}

// add remembers the map that is now the present one.
func (l *lineage) add(s partition.Stamp) {
	l.recent = append(l.recent, s)
	if n := len(l.recent); n > maxRecent {
		l.recent = slices.Clone(l.recent[n-maxRecent/2:])
	}
}

func (l *lineage) validate(c *partition.Map) error {
	n := len(l.recent)
	if c.Version == 0 && n == 0 {
		return nil
	}
	if n == 0 || l.recent[n-1] != c.Stamp() || !slices.IsSortedFunc(l.recent, compareStamps) {
		return fmt.Errorf("%w: the stamps of the last maps do not end with the present one, or are not sorted", ErrInvalid)
	}
	return nil
}

func (w *writer) stamp(s partition.Stamp) {
	w.uint(s.Version)
	w.fixed(s.History)
}

func (r *reader) stamp() partition.Stamp {
	return partition.Stamp{Version: r.uint(), History: r.fixed()}
}

func (w *writer) lineage(l lineage) {
	w.fixed(l.history)
	writeList(w, l.recent, w.stamp)
}

func (r *reader) lineage() lineage {
	return lineage{history: r.fixed(), recent: readList(r, 9, r.stamp)}
}
