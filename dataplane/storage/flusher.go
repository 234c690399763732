package storage

import (
	"errors"
	"sync"
	"time"

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
	e       *Engine
	settled chan flushedNote
	mapped  mapped
	rest    time.Time // no flush before
	stuck   bool      // that nothing lets the log be cut has been said
	damaged chan struct{}
	mendTo  uint64 // what stands in the log before this batch must go; zero: nothing

	stopping sync.Once
	quit     chan struct{}
	done     chan struct{}
}

func newFlusher(e *Engine) *flusher {
	return &flusher{e: e, settled: make(chan flushedNote, 4096), damaged: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{})}
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
		case <-f.damaged:
			f.beginMending()
		case now := <-tick.C:
			f.e.writer.quiet(now)
			f.mapped.look(f.e, now)
			err := f.relieveAll()
			if err == nil && f.mendTo != 0 && !now.Before(f.rest) {
				err = f.goOnMending()
			}
			if err != nil {
				f.e.fail(err)
				return
			}
		}
	}
}

// relieveAll flushes until nothing is due or it is time to rest.
func (f *flusher) relieveAll() error {
	for !time.Now().Before(f.rest) {
		flushed, err := f.relieve()
		if err != nil || !flushed {
			return err
		}
		select {
		case <-f.quit:
			return nil
		case n := <-f.settled:
			f.settle(n)
		default:
		}
	}
	return nil
}

// relieve flushes the partition that gains most, if one is due, and sets when
// the next may follow.
func (f *flusher) relieve() (flushed bool, err error) {
	memory := float64(f.e.retention.held.Load()) / float64(f.e.options.MemoryTable)
	log := float64(f.e.retention.bytes()) / float64(f.e.options.LogRetention)
	pressure := max(memory, log)
	if pressure < lazy {
		return false, nil
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
		return false, nil
	}
	start := time.Now()
	switch err := f.e.flush(id, false); {
	case errors.Is(err, ErrClosed), errors.Is(err, ErrNoCopy), isDamage(err):
		return false, nil // it ends, or the copy has just gone, or is damaged, which has been told
	case err != nil:
		return false, err
	}
	f.rest = time.Now().Add(time.Duration(float64(time.Since(start)) * idle * max(0, 1-pressure) / (1 - lazy)))
	return true, nil
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
	f.rest = time.Now().Add(carryRest)
	if f.e.writer.barrier() {
		f.cut()
	}
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
