package storage

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// scrubRest is how long a pass of the scrubber takes at least: where little is
// stored, it rests.
const scrubRest = time.Second

// scrubber reads what is stored, again and again, at a bounded rate, and checks
// it against its checksums: damage to what nobody reads would come to light only
// when the other copies are gone. What it finds is reported as what a read
// finds.
type scrubber struct {
	e     *Engine
	rate  int64 // bytes a second
	quit  chan struct{}
	debt  time.Duration // rest that is due for what was read since the last one
	busy  time.Duration // that reading took since then
	due   time.Time     // when all that was read should have been read
	pass  struct{ read, of int64 }
	pause *time.Timer
}

// run goes on until quit is closed.
func (s *scrubber) run() {
	s.pause = time.NewTimer(0)
	defer s.pause.Stop()
	<-s.pause.C
	for {
		began := time.Now()
		if !s.all() {
			return
		}
		took := time.Since(began)
		s.e.metrics.scrubbed(took, time.Now())
		if !s.rest(max(0, scrubRest-took)) {
			return
		}
	}
}

// all is one pass. It returns false at the engine's end.
func (s *scrubber) all() bool {
	ids := s.e.copiesHere()
	s.due, s.debt, s.busy, s.pass.read, s.pass.of = time.Now(), 0, 0, 0, s.e.stored(ids)
	for _, id := range ids {
		if !s.file(id) {
			return false
		}
	}
	return s.log() && s.identity()
}

// copiesHere lists the partitions with a copy, in order.
func (e *Engine) copiesHere() []partition.ID {
	e.mu.Lock()
	defer e.mu.Unlock()
	var ids []partition.ID
	for id, s := range e.slots {
		if s.table != nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// stored is how many bytes the partitions' files and the log have, roughly.
func (e *Engine) stored(ids []partition.ID) int64 {
	sum := e.retention.bytes()
	for _, id := range ids {
		_, t, err := e.current(id)
		if err != nil {
			continue
		}
		if f := t.inUse(); f != nil {
			if info, err := f.handle.Stat(); err == nil {
				sum += info.Size()
			}
		}
	}
	return sum
}

// rest reports whether it was not cut short by the engine's end.
func (s *scrubber) rest(d time.Duration) bool {
	s.pause.Reset(d)
	select {
	case <-s.pause.C:
		return true
	case <-s.quit:
		return false
	}
}

// pay rests as long as what was read asks for. Where reading took longer than it
// should, or waited for a flush, the rests that follow are shorter, by half at
// most, until that is made up for; but never shorter than reading took: a slow
// disk has others to serve.
func (s *scrubber) pay(read int64, took time.Duration) bool {
	s.pass.read += read
	s.e.metrics.scrubRead(read, s.pass.read, s.pass.of)
	cost := time.Duration(float64(read) / float64(s.rate) * float64(time.Second))
	s.due, s.debt, s.busy = s.due.Add(cost), s.debt+cost, s.busy+took
	if s.debt < 10*time.Millisecond {
		return true
	}
	d := max(s.busy, min(s.debt, max(s.debt/2, time.Until(s.due))))
	s.debt, s.busy = 0, 0
	return s.rest(d)
}

// file checks one partition's file. It returns false at the engine's end.
func (s *scrubber) file(id partition.ID) bool {
	slot, t, err := s.e.current(id)
	if err != nil {
		return !errors.Is(err, ErrClosed)
	}
	// A flush that began before would not tell what it changes.
	slot.files.Lock()
	f := t.inUse()
	if f == nil {
		slot.files.Unlock()
		return true // nothing is in a file yet
	}
	w, err := f.scrub(id, t.generation)
	slot.files.Unlock()
	if err != nil {
		s.found(t, err)
		return true
	}
	defer w.close()
	for done := false; !done; {
		began, read := time.Now(), int64(0)
		if read, done, err = w.step(); err != nil {
			s.found(t, err)
			done = true
		}
		if !s.pay(read, time.Since(began)) {
			return false
		}
	}
	return true
}

// found reports damage.
func (s *scrubber) found(t *Table, err error) {
	if isClosed(err) {
		return // replaced meanwhile
	}
	s.e.metrics.scrubFaults.Inc()
	_ = t.check("scrub", err) // told to whoever asked to hear of damage
}
