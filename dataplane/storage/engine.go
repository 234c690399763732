// Package storage keeps a data node's part of the cluster in one directory: a
// log that all partitions share, committed entries in memory, and one bbolt
// file for each partition behind them. The node calls it; replicas see only
// their Table. It knows no protocol: what is committed, and which epoch counts,
// is for the replica to say. DESIGN.md describes the formats.
package storage

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

var (
	// ErrNoCopy says that there is no copy of the partition here.
	ErrNoCopy = errors.New("no copy of the partition here")
	// ErrClosed says that the engine is closed or has failed.
	ErrClosed = errors.New("storage is closed")
)

// Engine is an open data directory. Its methods may be called from any
// goroutine.
type Engine struct {
	options   Options
	lock      *flock.Flock
	identity  *identityFile
	log       *sharedLog
	catalogue *catalogue
	retention *retention
	writer    *logWriter
	flusher   *flusher
	metrics   *metrics

	tableBytes atomic.Int64
	held       holding
	space      space // the goroutine's that measures
	diskFree   atomic.Int64
	diskFull   atomic.Bool
	onFlushed  atomic.Pointer[func(id partition.ID, sequence uint64)]
	failOnce   sync.Once

	mu        sync.Mutex
	slots     map[partition.ID]*slot
	recovered []Recovered
	lost      []Lost
	closed    bool

	tasks sync.WaitGroup
}

// slot is the place of one partition in the directory.
type slot struct {
	table      *Table // guarded by Engine.mu; nil if there is no copy
	generation uint64 // guarded by Engine.mu: the highest given to a copy

	// files is held, across I/O, by whoever changes what lies at the
	// partition's path: a flush, a drop, or a snapshot's switch.
	files  sync.Mutex
	onDisk uint64 // guarded by files: generation of the file at the path; zero if there is none, or one of no use
}

// Identity tells what the directory knows of itself.
func (e *Engine) Identity() Identity {
	s := e.identity.get()
	return Identity{
		ClusterID: s.ClusterID, NodeID: s.NodeID, StoreID: s.StoreID, Start: s.Start, HeldPromise: s.HeldPromise,
		Accepted: s.Accepted, AcceptedIn: s.AcceptedIn, Since: slices.Clone(s.Since),
	}
}

// AcceptStart notes durably that the coordinators have accepted this start, and the
// version of a map that names it. The node acts on no such map before that.
func (e *Engine) AcceptStart(version uint64) error {
	return e.identity.update(func(s *storeState) error {
		s.Accepted, s.AcceptedIn, s.Since, s.Above = s.Start, version, nil, 0
		return nil
	})
}

// StartAbove makes the next start take a counter above that one, durably: the
// coordinators know of it from another history of this store.
func (e *Engine) StartAbove(counter uint64) error {
	return e.identity.update(func(s *storeState) error {
		s.Above = max(s.Above, counter)
		return nil
	})
}

// BindCluster makes the directory the cluster's, durably, the first time. Later
// a cluster with another ID is refused with ErrWrongCluster.
func (e *Engine) BindCluster(id string) error {
	return e.identity.update(func(s *storeState) error {
		if s.ClusterID != "" && s.ClusterID != id {
			return fmt.Errorf("data directory %s %w: its cluster is %q, this one is %q", e.options.Dir, ErrWrongCluster, s.ClusterID, id)
		}
		s.ClusterID = id
		return nil
	})
}

// HoldPromise notes durably the longest promise that this boot may give; it
// never shrinks (rule L2).
func (e *Engine) HoldPromise(d time.Duration) error {
	return e.identity.update(func(s *storeState) error {
		s.HeldPromise = max(s.HeldPromise, d)
		return nil
	})
}

// Recovered hands over the copies that Open found. It may be called once: the
// engine does not keep their logs in memory.
func (e *Engine) Recovered() []Recovered {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.recovered
	e.recovered = nil
	return r
}

// Lost tells which copies Open found gone or of no use. Each stays lost until
// its partition is opened anew, received or dropped.
func (e *Engine) Lost() []Lost {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.lost
}

// Append writes records to the log. It does not wait for the disk: done is
// called once they are synced, in the order of the calls, on the log writer's
// goroutine, which it must not block. After a failure, or Close, it is never
// called. The records are not written to afterwards.
func (e *Engine) Append(records []entry.Record, done func()) {
	e.writer.append(appended{records: records, done: done})
}

// OpenPartition begins a new, empty copy of a partition, in place of any that is
// here. It does not wait for the disk: records appended after it count only
// together with it.
func (e *Engine) OpenPartition(id partition.ID, lineage uint32) *Table {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.slotLocked(id)
	t := e.newCopyLocked(s, id)
	e.writer.append(appended{own: &record{kind: openedRecord, partition: id, lineage: lineage, generation: t.generation}})
	return t
}

// newCopyLocked puts an empty table with the next generation into the slot. The
// file of the one before is closed in the background, and removed by the first
// flush of the new one. Caller holds mu.
func (e *Engine) newCopyLocked(s *slot, id partition.ID) *Table {
	s.generation++
	e.retireLocked(s)
	s.table = newTable(id, s.generation, &e.tableBytes, e.options.Damaged)
	return s.table
}

// retireLocked takes the slot's table out of service. Caller holds mu.
func (e *Engine) retireLocked(s *slot) {
	if s.table == nil {
		return
	}
	old := s.table
	s.table = nil
	if f := old.retire(); f != nil && !e.closed {
		e.tasks.Go(func() { e.closeReplaced(f, old.id) })
	}
}

func (e *Engine) slotLocked(id partition.ID) *slot {
	s := e.slots[id]
	if s == nil {
		s = &slot{}
		e.slots[id] = s
	}
	return s
}

// current returns the partition's slot and table.
func (e *Engine) current(id partition.ID) (*slot, *Table, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, ErrClosed
	}
	s := e.slots[id]
	if s == nil || s.table == nil {
		return nil, nil, fmt.Errorf("%s: %w", id, ErrNoCopy)
	}
	return s, s.table, nil
}

// SetFlushed sets what is called, on the flusher's goroutine, when everything of
// a partition up to a sequence is in its file and the log no longer needed for
// it.
func (e *Engine) SetFlushed(f func(id partition.ID, sequence uint64)) { e.onFlushed.Store(&f) }

// LogQueue tells for how long the oldest append has waited that is not synced.
func (e *Engine) LogQueue() time.Duration { return e.writer.queued() }

// OldestPending tells how long the log's fsync under way has taken, or by how much
// the oldest append has waited for longer than three seconds; zero if there is none.
func (e *Engine) OldestPending() time.Duration { return e.writer.pending() }

// DiskFull tells that the disk has less room than is kept in reserve: writes
// should be refused before anything breaks. Deletes may go on: they take little,
// and in the end make room.
func (e *Engine) DiskFull() bool { return e.diskFull.Load() }

// TableBytes is how much of committed entries is held in memory.
func (e *Engine) TableBytes() int64 { return e.tableBytes.Load() }

// MemoryFull tells that the disk cannot keep up: more is held in memory than
// flushing should let come together. Writes should be refused until it is less.
func (e *Engine) MemoryFull() bool { return e.held.look(e.retention.held.Load()) }

// fail reports the first failure that nothing can be acknowledged after.
func (e *Engine) fail(err error) {
	e.failOnce.Do(func() {
		e.options.Logger.Error("storage failed", "err", err)
		e.options.Failed(err)
	})
}

func (e *Engine) closeReplaced(f *file, id partition.ID) {
	if err := f.Close(); err != nil {
		e.options.Logger.Warn("a replaced partition file does not close", "partition", uint32(id), "err", err)
	}
}

func isDamage(err error) bool { return errors.Is(err, ErrDamaged) }

// Close writes what was appended, and closes everything. It flushes nothing: the
// log has it.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.flusher.stop()
	e.writer.stop()
	e.tasks.Wait()
	errs := []error{e.closeFiles()}
	errs = append(errs, e.identity.update(func(s *storeState) error {
		s.LogEnd = e.writer.durable.Load()
		return nil
	}))
	e.metrics.unregister()
	return errors.Join(append(errs, e.log.close(), e.lock.Unlock())...)
}

func (e *Engine) closeFiles() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, s := range e.slots {
		if s.table == nil {
			continue
		}
		if f := s.table.retire(); f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
