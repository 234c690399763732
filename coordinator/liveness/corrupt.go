package liveness

import (
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// corrupt reports whether a node's start in the map has said that its copy of the
// partition does not hold what it should, and whether nothing of it is used.
func (d *Detector) corrupt(m *partition.Map, id partition.ID, node partition.NodeID) (corrupt, void bool) {
	n, known := m.Node(node)
	if !known {
		return false, false
	}
	report, _ := d.Report(ProcessOf(n))
	i := slices.IndexFunc(report.Corrupt, func(c Corrupt) bool { return c.Partition == id })
	return i >= 0, i >= 0 && report.Corrupt[i].Void
}
