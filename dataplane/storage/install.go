package storage

import (
	"errors"
	"fmt"
	"os"

	"github.com/holdfast-io/holdfast/partition"
)

// install switches to a received file that is whole and synced. The record in
// the log is the switch: after a crash, the file is put in its place at the
// start if the record is there, and removed if it is not.
func (e *Engine) install(r *Receiver, t *Table) error {
	if err := e.syncPartitions(); err != nil {
		return err
	}
	e.mu.Lock()
	s := e.slotLocked(r.id)
	e.mu.Unlock()
	s.files.Lock()
	defer s.files.Unlock()
	synced := make(chan struct{})
	e.mu.Lock()
	if e.closed || s.generation != r.generation {
		e.mu.Unlock()
		return fmt.Errorf("%w: the partition has another copy meanwhile", ErrClosed)
	}
	e.writer.append(appended{
		own:  &record{kind: installedRecord, partition: r.id, lineage: r.want.lineage, generation: r.generation, applied: t.applied},
		done: func() { close(synced) },
	})
	e.mu.Unlock()
	if !e.writer.synced(synced) {
		return ErrClosed
	}
	path := partitionPath(e.partitionsDir(), r.id)
	if err := os.Rename(r.path, path); err != nil {
		e.fail(fmt.Errorf("install snapshot of %s: %w", r.id, err)) // the log says it is done
		return err
	}
	r.path, t.file.path = path, path
	s.onDisk = r.generation
	if err := e.syncPartitions(); err != nil {
		e.fail(fmt.Errorf("install snapshot of %s: %w", r.id, err))
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.generation != r.generation {
		return fmt.Errorf("%w: the partition has another copy meanwhile", ErrClosed)
	}
	e.retireLocked(s)
	s.table = t
	return nil
}

// Drop ends the partition's copy and removes its file. It waits for the disk.
func (e *Engine) Drop(id partition.ID) error { return e.BeginDrop(id)() }

// BeginDrop ends the partition's copy: a copy opened after it is another. It does
// not wait; finish does, for the disk to have noted it, and removes the file. What
// a crash keeps from the disk never happened: the old copy is there again.
func (e *Engine) BeginDrop(id partition.ID) (finish func() error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return func() error { return fmt.Errorf("drop %s: %w", id, ErrClosed) }
	}
	s := e.slotLocked(id)
	s.generation++
	generation := s.generation
	e.retireLocked(s)
	synced := make(chan struct{})
	e.writer.append(appended{
		own:  &record{kind: droppedRecord, partition: id, generation: generation},
		done: func() { close(synced) },
	})
	return func() error {
		if !e.writer.synced(synced) {
			return fmt.Errorf("drop %s: %w", id, ErrClosed)
		}
		return e.removeDropped(s, id, generation)
	}
}

// removeDropped removes the file of a copy whose end is on disk.
func (e *Engine) removeDropped(s *slot, id partition.ID, generation uint64) error {
	s.files.Lock()
	defer s.files.Unlock()
	if s.onDisk > generation {
		return nil // a newer copy's
	}
	s.onDisk = 0
	err := os.Remove(partitionPath(e.partitionsDir(), id))
	if err == nil {
		err = e.syncPartitions()
	} else if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return fmt.Errorf("drop %s: %w", id, err)
	}
	return nil
}
