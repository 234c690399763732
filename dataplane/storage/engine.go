// Package storage keeps a data node's part of the cluster in one directory: a
// log that all partitions share, committed entries in memory, and one bbolt
// file for each partition behind them. The node calls it; replicas see only
// their Table. It knows no protocol: what is committed, and which epoch counts,
// is for the replica to say. DESIGN.md describes the formats.
package storage

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Identity is what a data directory knows of itself.
type Identity struct {
	ClusterID   string // "" until BindCluster
	NodeID      partition.NodeID
	StoreID     partition.StoreID
	Incarnation uint64        // of this boot: raised, and synced, by Open
	HeldPromise time.Duration // the longest promise an earlier boot may have given
}

// Recovered is one partition's copy as it was found on disk.
type Recovered struct {
	Partition partition.ID
	Lineage   uint32
	Adopted   partition.Epoch
	Applied   entry.Position // the last entry in State
	Log       []*entry.Entry // those after Applied, without gaps, all of them synced
	State     *Table
}

// Lost is a copy that was here and cannot be used: to the cluster it is a lost
// disk, for this partition only.
type Lost struct {
	Partition partition.ID
	Lineage   uint32
	Reason    error
}

// Engine is an open data directory.
type Engine struct{}

func Open(o Options) (*Engine, error)                                  { panic("soon") }
func (e *Engine) Identity() Identity                                   { panic("soon") }
func (e *Engine) BindCluster(id string) error                          { panic("soon") }
func (e *Engine) HoldPromise(d time.Duration) error                    { panic("soon") }
func (e *Engine) Recovered() []Recovered                               { panic("soon") }
func (e *Engine) Lost() []Lost                                         { panic("soon") }
func (e *Engine) Append(records []entry.Record, done func())           { panic("soon") }
func (e *Engine) OpenPartition(id partition.ID, lineage uint32) *Table { panic("soon") }
func (e *Engine) SetFlushed(f func(id partition.ID, sequence uint64))  { panic("soon") }
func (e *Engine) Snapshot(id partition.ID) (*Snapshot, error)          { panic("soon") }
func (e *Engine) Receive(id partition.ID, lineage uint32, applied entry.Position) (*Receiver, error) {
	panic("soon")
}
func (e *Engine) Drop(id partition.ID) error   { panic("soon") }
func (e *Engine) OldestPending() time.Duration { panic("soon") }
func (e *Engine) DiskFull() bool               { panic("soon") }
func (e *Engine) Close() error                 { panic("soon") }

// Table is a partition's applied state.
type Table struct{}

func (t *Table) Lookup(key []byte) (entry.Version, bool, error)      { panic("soon") }
func (t *Table) Get(key []byte) ([]byte, entry.Version, bool, error) { panic("soon") }
func (t *Table) Request(id entry.RequestID) (result entry.Result, applied, forgotten bool) {
	panic("soon")
}
func (t *Table) Apply(entries []*entry.Entry) { panic("soon") }

// Snapshot is a partition's state as of one position, read chunk by chunk.
type Snapshot struct {
	Applied   entry.Position
	Lineage   uint32
	Estimated int64 // bytes, roughly
}

func (s *Snapshot) Next() ([]byte, error) { panic("soon") }
func (s *Snapshot) Close() error          { panic("soon") }

// Receiver takes in a snapshot.
type Receiver struct{}

func (r *Receiver) Write(chunk []byte) error { panic("soon") }
func (r *Receiver) Commit() (*Table, error)  { panic("soon") }
func (r *Receiver) Abort()                   { panic("soon") }
