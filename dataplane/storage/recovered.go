package storage

import (
	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Recovered is one partition's copy as it was found on disk.
type Recovered struct {
	Partition partition.ID
	Lineage   uint32
	Adopted   partition.Epoch
	// Configuration is that of Adopted; nil where no epoch was adopted.
	Configuration *partition.Configuration
	Applied       entry.Position // the last entry in State
	Logged        entry.LoggedTime
	Log           []*entry.Entry // those after Applied, without gaps, all of them synced
	State         *Table
}

// Lost is a copy that was here and cannot be used: to the cluster it is a lost
// disk, for this partition only.
type Lost struct {
	Partition partition.ID
	Lineage   uint32
	Reason    error
}
