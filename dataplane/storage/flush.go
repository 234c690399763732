package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

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
		// Nothing was written where the file is damaged: the table stays as it is
		// until the copy is made anew.
		if made {
			err = join(err, f)
		}
		return t.check("flush", err)
	}
	if made {
		if err := e.syncPartitions(); err != nil {
			return fmt.Errorf("flush %s: %w", id, err)
		}
	}
	s.onDisk = t.generation
	if t.thaw(f, &c) && made {
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

// syncPartitions makes the names of the partitions' files durable.
func (e *Engine) syncPartitions() error { return e.options.syncNames(e.partitionsDir()) }

func (e *Engine) partitionsDir() string { return filepath.Join(e.options.Dir, "partitions") }

func sortedKeys(c change) []string {
	keys := make([]string, 0, len(c.entries))
	for k := range c.entries {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
