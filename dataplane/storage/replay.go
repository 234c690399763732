package storage

import (
	"bytes"
	"fmt"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// replay reads the log, batch by batch, into what it says of every partition.
type replay struct {
	catalogue *catalogue
	retention *retention
	// applied tells how far a copy's file goes: entries up to there are not kept.
	applied func(id partition.ID, generation uint64) uint64
	logs    map[partition.ID]*copyLog
	started bool
}

// copyLog is a copy's log beyond its file.
type copyLog struct {
	entries []*entry.Entry // without gaps
	gap     uint64         // not zero: the log has this sequence, and lacks some before it
}

// batch takes in the next batch of the log. It keeps nothing of b.
func (r *replay) batch(index uint64, b []byte) error {
	size := len(b)
	for first := true; len(b) > 0; first = false {
		rec, rest, err := decodeRecord(b)
		if err != nil {
			return err
		}
		b = rest
		checkpoint := rec.kind == checkpointRecord
		if checkpoint && first {
			r.started = true
			r.retention.begin(index)
		} else if checkpoint || !r.started {
			return fmt.Errorf("log record: %w: no checkpoint where one must be, or one where none can", ErrDamaged)
		}
		switch r.catalogue.apply(&rec) {
		case addsEntry:
			r.add(rec.partition, rec.entry)
		case voidsEntries:
			r.retention.forget(rec.partition)
			delete(r.logs, rec.partition)
		}
	}
	if !r.started {
		return fmt.Errorf("log batch: %w: it is empty", ErrDamaged)
	}
	r.retention.grow(size)
	return nil
}

// add puts an entry in place of everything the partition has from its sequence
// on.
func (r *replay) add(id partition.ID, e *entry.Entry) {
	l := r.logs[id]
	if l == nil {
		l = &copyLog{}
		r.logs[id] = l
	}
	facts, _ := r.catalogue.get(id)
	base := r.applied(id, facts.generation)
	end := base + uint64(len(l.entries))
	switch {
	case e.Sequence > end+1:
		// What lies between was cut away, so it had been replaced: the entry
		// that did it is still to come.
		if l.gap == 0 {
			l.gap = e.Sequence
		}
		return
	case e.Sequence <= base:
		l.entries = nil
		r.retention.forget(id)
	default:
		e = keep(e)
		l.entries = append(l.entries[:e.Sequence-base-1], e)
		r.retention.add(id, e)
	}
	l.gap = 0
}

// keep copies an entry out of the buffer that it was decoded from.
func keep(e *entry.Entry) *entry.Entry {
	c := *e
	both := bytes.Join([][]byte{e.Key, e.Value}, nil)
	k := len(e.Key)
	c.Key, c.Value = both[:k:k], both[k:]
	if len(c.Key) == 0 {
		c.Key = nil
	}
	if len(c.Value) == 0 {
		c.Value = nil
	}
	return &c
}
