// Package protocol has the messages between coordinators and those who talk to
// them: nodes, followers of the map, and each other. Client and coordinator
// encode and decode with it; it sends nothing itself. DESIGN.md has the format.
package protocol

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// Copy is a partition's copy on a node's disk, as a registration reports it.
type Copy struct {
	Partition partition.ID
	Epoch     partition.Epoch // highest adopted
	Lineage   uint32
}

// Report is what a heartbeat says of its node.
type Report struct {
	MapVersion  uint64
	OldestFsync time.Duration
}
