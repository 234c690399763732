package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/holdfast-io/holdfast/partition"
)

const (
	flushTick = 20 * time.Millisecond
	// lazy is the share of either limit below which nothing is flushed: bbolt's
	// cost is by the page touched, so a later flush is a cheaper one.
	lazy = 0.5
	// idle is how many times as long as a flush took the flusher rests when it
	// has just begun to be needed; at the limit it does not rest.
	idle = 6
	// carryRest is how long the flusher rests after it had entries carried.
	carryRest = 100 * time.Millisecond
)

// flusher writes tables to files and cuts the log, on one goroutine, so that
// flushes are spread over time.
type flusher struct {
	e        *Engine
	settled  chan flushedNote
	rest     time.Time // no flush before
	measured time.Time // when the free disk space was last looked at
	stuck    bool      // that nothing lets the log be cut has been said

	stopping sync.Once
	quit     chan struct{}
	done     chan struct{}
}

func newFlusher(e *Engine) *flusher {
	return &flusher{e: e, settled: make(chan flushedNote, 4096), quit: make(chan struct{}), done: make(chan struct{})}
}

// stop ends the flusher after the flush it is at, and waits for it.
func (f *flusher) stop() {
	f.stopping.Do(func() { close(f.quit) })
	<-f.done
}

// flushedNote says that a flush is on disk, and noted in the log.
type flushedNote struct {
	id         partition.ID
	generation uint64
	sequence   uint64
}

func (f *flusher) run() {
	defer close(f.done)
	tick := time.NewTicker(flushTick)
	defer tick.Stop()
	for {
		select {
		case <-f.quit:
			return
		case n := <-f.settled:
			f.settle(n)
		case now := <-tick.C:
			f.measureDisk(now)
			f.e.writer.quiet(now)
			if now.Before(f.rest) {
				continue
			}
			if err := f.relieve(); err != nil {
				f.e.fail(err)
				return
			}
		}
	}
}

// relieve flushes the partition that gains most, if one is due, and says when
// the next may follow.
func (f *flusher) relieve() error {
	memory := float64(f.e.tableBytes.Load()) / float64(f.e.options.MemoryTable)
	log := float64(f.e.retention.bytes()) / float64(f.e.options.LogRetention)
	pressure := max(memory, log)
	if pressure < lazy {
		return nil
	}
	id, found := partition.ID(0), false
	if log >= memory {
		if id, found = f.holdsLog(); !found && log >= 2 {
			f.carry()
		}
	}
	if !found && memory >= lazy {
		id, found = f.largest()
	}
	if !found {
		return nil
	}
	start := time.Now()
	if err := f.e.flush(id, false); err != nil && !errors.Is(err, ErrNoCopy) && !errors.Is(err, ErrClosed) {
		return err
	}
	f.rest = time.Now().Add(time.Duration(float64(time.Since(start)) * idle * max(0, 1-pressure) / (1 - lazy)))
	return nil
}

// carry has the partitions that hold the log, with entries that are not applied
// and so cannot be flushed, write these again at its end. (A partition may be
// without enough replicas for days while others write.) It does nothing where
// that would gain less than it writes.
func (f *flusher) carry() {
	_, needy := f.e.retention.oldest()
	for id := range needy {
		_, bytes := f.e.retention.pending(id)
		tooMuch := bytes > maxBatch || bytes*int64(len(needy)) > f.e.options.LogRetention/2
		if tooMuch && !f.stuck {
			f.e.options.Logger.Warn("the log cannot be cut: too much in it is not committed", "partition", uint32(id), "bytes", bytes)
		}
		f.stuck = tooMuch
		if !tooMuch {
			f.e.writer.append(appended{own: &record{partition: id}, carry: true})
		}
	}
	f.e.writer.barrier()
	f.cut()
}

// holdsLog returns the largest of the partitions whose flush lets the oldest
// stretch of the log go.
func (f *flusher) holdsLog() (id partition.ID, found bool) {
	_, needy := f.e.retention.oldest()
	return f.pick(func(id partition.ID, t *Table) bool {
		least, ok := needy[id]
		at, _ := t.Applied()
		return ok && at.Sequence >= least
	})
}

// largest returns the partition with the most bytes in memory.
func (f *flusher) largest() (id partition.ID, found bool) {
	return f.pick(func(partition.ID, *Table) bool { return true })
}

func (f *flusher) pick(suits func(partition.ID, *Table) bool) (best partition.ID, found bool) {
	f.e.mu.Lock()
	defer f.e.mu.Unlock()
	most := int64(-1)
	for id, s := range f.e.slots {
		if s.table == nil {
			continue
		}
		if bytes, unflushed := s.table.size(); unflushed && bytes > most && suits(id, s.table) {
			best, most, found = id, bytes, true
		}
	}
	return best, found
}

// settle lets the log go that a flush has made needless.
func (f *flusher) settle(n flushedNote) {
	f.e.mu.Lock()
	s := f.e.slots[n.id]
	current := s != nil && s.table != nil && s.table.generation == n.generation
	f.e.mu.Unlock()
	if !current {
		return
	}
	f.e.retention.flushed(n.id, n.sequence)
	if told := f.e.onFlushed.Load(); told != nil {
		(*told)(n.id, n.sequence)
	}
	f.cut()
}

// cut cuts the log before the first stretch that is needed. That stretch begins
// with a checkpoint, which must be on disk before what it stands for goes.
func (f *flusher) cut() {
	if at := f.e.retention.needed(); at <= f.e.writer.durable.Load() && f.e.retention.cut(at) {
		if err := f.e.log.cut(at); err != nil {
			f.e.fail(err)
		}
	}
}

func (f *flusher) measureDisk(now time.Time) {
	if now.Sub(f.measured) < time.Second {
		return
	}
	f.measured = now
	f.e.measureDisk()
}

func (e *Engine) measureDisk() {
	var s unix.Statfs_t
	if err := unix.Statfs(e.options.Dir, &s); err != nil {
		return // the next write will say what is wrong
	}
	full := int64(s.Bavail)*s.Bsize < e.options.ReserveDisk
	if full != e.diskFull.Swap(full) {
		e.options.Logger.Warn("room on the disk", "full", full, "free", int64(s.Bavail)*s.Bsize, "reserve", e.options.ReserveDisk)
	}
}

// flush writes a partition's table to its file, in one synced transaction. With
// force it makes the file even if nothing has been applied yet.
func (e *Engine) flush(id partition.ID, force bool) error {
	s, t, err := e.current(id)
	if err != nil {
		return err
	}
	s.files.Lock()
	defer s.files.Unlock()
	c, ok := t.freeze(force)
	if !ok {
		return nil
	}
	start := time.Now()
	f := t.file // only flushes set it, and they hold s.files
	made := f == nil
	if made {
		if f, err = e.makeFile(s, id); err != nil {
			return fmt.Errorf("flush %s: %w", id, err)
		}
	}
	facts, _ := e.catalogue.get(id)
	c.meta.store, c.meta.lineage, c.meta.logEnd = e.identity.get().StoreID, facts.lineage, e.writer.durable.Load()
	c.keys = sortedKeys(c)
	if err := f.write(&c); err != nil {
		return fmt.Errorf("flush %s: %w", id, err)
	}
	if made {
		if err := syncDir(filepath.Dir(f.path)); err != nil {
			return fmt.Errorf("flush %s: %w", id, err)
		}
	}
	s.onDisk = t.generation
	if t.thaw(f, c.meta.applied) && made {
		return f.Close()
	}
	e.metrics.flushDone(len(c.keys), time.Since(start))
	note := flushedNote{id: id, generation: t.generation, sequence: c.meta.applied.Sequence}
	e.writer.append(appended{
		own:  &record{kind: flushedRecord, partition: id, generation: t.generation, applied: c.meta.applied},
		done: func() { e.noteFlushed(note) },
	})
	return nil
}

// noteFlushed hands a note to the flusher. It runs on the log writer's
// goroutine, and does not block: a note that finds no room is dropped, and the
// partition's next one says all that this one would have.
func (e *Engine) noteFlushed(n flushedNote) {
	select {
	case e.flusher.settled <- n:
	default:
	}
}

// makeFile makes the partition's file, in place of one of an earlier
// generation. Caller holds s.files.
func (e *Engine) makeFile(s *slot, id partition.ID) (*file, error) {
	// That this copy took the place of an earlier one must be on disk before
	// the earlier one's file goes.
	if !e.writer.barrier() {
		return nil, ErrClosed
	}
	path := partitionPath(e.partitionsDir(), id)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	s.onDisk = 0
	return openFile(path)
}

func (e *Engine) partitionsDir() string { return filepath.Join(e.options.Dir, "partitions") }

func sortedKeys(c change) []string {
	keys := make([]string, 0, len(c.entries))
	for k := range c.entries {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
