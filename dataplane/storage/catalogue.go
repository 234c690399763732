package storage

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// copyFacts is what the log knows of a partition's copy, beside its entries.
type copyFacts struct {
	partition partition.ID
	// generation counts the copies of this partition that this directory has
	// had: a file of another generation is not this copy's.
	generation uint64
	present    bool // false after a drop
	lineage    uint32
	adopted    partition.Epoch
	// configuration is that of adopted; nil where it is not known.
	configuration *partition.Configuration
	file          bool           // the partition's file must be there
	flushed       entry.Position // and holds at least everything up to here
}

const (
	factPresent = 1 << iota
	factFile
)

func (c *copyFacts) appendTo(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(c.partition))
	dst = binary.AppendUvarint(dst, c.generation)
	var flags byte
	if c.present {
		flags |= factPresent
	}
	if c.file {
		flags |= factFile
	}
	dst = append(dst, flags)
	dst = binary.LittleEndian.AppendUint32(dst, c.lineage)
	dst = binary.AppendUvarint(dst, uint64(c.adopted))
	dst = appendConfiguration(dst, c.configuration)
	return appendPosition(dst, c.flushed)
}

func decodeCopyFacts(r *reader) copyFacts {
	c := copyFacts{partition: r.partition(), generation: r.uvarint("generation")}
	flags := r.byte("flags")
	if flags&^(factPresent|factFile) != 0 {
		r.fail("flags")
	}
	c.present, c.file = flags&factPresent != 0, flags&factFile != 0
	c.lineage = r.uint32("lineage")
	c.adopted = partition.Epoch(r.uvarint("epoch"))
	c.configuration = r.configuration(c.partition, c.adopted)
	c.flushed = r.position()
	return c
}

// catalogue holds the facts of all copies as of a place in the log. Only the
// log's writer (at recovery, its reader) changes it, record by record, so what
// a checkpoint says is what reading the log from its start would say.
type catalogue struct {
	mu     sync.Mutex
	copies map[partition.ID]copyFacts
}

func newCatalogue() *catalogue { return &catalogue{copies: map[partition.ID]copyFacts{}} }

func (c *catalogue) get(id partition.ID) (copyFacts, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f, ok := c.copies[id]
	return f, ok
}

// sorted returns all facts, by partition: the content of a checkpoint.
func (c *catalogue) sorted() []copyFacts {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]copyFacts, 0, len(c.copies))
	for _, f := range c.copies {
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b copyFacts) int { return int(int64(a.partition) - int64(b.partition)) })
	return out
}

// effect is what a record means for its partition's entries in the log.
type effect uint8

const (
	noEffect effect = iota
	addsEntry
	voidsEntries // what the log had of the partition before counts no more
)

// apply takes in one record, in the log's order.
func (c *catalogue) apply(r *record) effect {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.kind == checkpointRecord {
		clear(c.copies)
		for _, f := range r.copies {
			c.copies[f.partition] = f
		}
		return noEffect
	}
	if r.kind == quietRecord {
		return noEffect
	}
	f := c.copies[r.partition]
	switch r.kind {
	case entryRecord:
		if !f.present || f.lineage != r.lineage {
			return noEffect // of a copy that is gone
		}
		return addsEntry
	case adoptedRecord:
		if !f.present || r.epoch < f.adopted {
			return noEffect
		}
		f.adopted, f.lineage, f.configuration = r.epoch, r.lineage, r.configuration
		c.copies[r.partition] = f
		return noEffect
	case flushedRecord:
		if f.generation == r.generation && f.present {
			f.file, f.flushed = true, r.applied
			c.copies[r.partition] = f
		}
		return noEffect
	}
	if r.generation < f.generation {
		return noEffect
	}
	n := copyFacts{partition: r.partition, generation: r.generation}
	switch r.kind {
	case openedRecord:
		n.present, n.lineage = true, r.lineage
	case installedRecord:
		n.present, n.lineage = true, r.lineage
		n.adopted, n.configuration = f.adopted, f.configuration // the same replica goes on, with better data
		n.file, n.flushed = true, r.applied
	}
	c.copies[r.partition] = n
	return voidsEntries
}
