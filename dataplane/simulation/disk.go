package simulation

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// disk is a model of a data directory: store.json, the shared log with group
// commit, and a file for each partition. What it holds is what a crash leaves.
type disk struct {
	w      *world
	store  partition.StoreID
	starts starts
	held   time.Duration // the longest promise given, as store.json has it
	copies []diskCopy    // by partition

	pending []written // and not synced, in order
	syncing bool
	oldest  instant // when the first of pending was written
	slow    instant // until then, syncs take long
}

// written is one record of the log; opened begins an empty copy, dropped ends one.
type written struct {
	entry.Record
	opened, dropped bool
}

// diskCopy is a partition's part on disk: its file, and its entries in the log.
type diskCopy struct {
	exists  bool
	lost    bool // it was there, and is damaged
	lineage uint32
	adopted partition.Epoch
	// configuration is that of adopted.
	configuration *partition.Configuration
	file          *table         // frozen
	log           []*entry.Entry // without gaps; may begin before the file's end
	agrees        uint64         // up to where it is known to hold the committed log
	marked        bool           // to be lost at the next start
	twist         uint64         // what its rolling hash is off by: its state stands for a wrong one
}

func (w *world) newDisk() *disk {
	return &disk{w: w, store: partition.StoreID(w.random.Uint64() | 1), copies: make([]diskCopy, w.settings.Partitions)}
}

// append writes records, and syncs all that is written, by and by.
func (d *disk) append(p *process, records []entry.Record) {
	if len(d.pending) == 0 {
		d.oldest = d.w.now
	}
	for _, r := range records {
		d.pending = append(d.pending, written{Record: d.w.logged(r)})
	}
	if doom := p.n.doom; doom != nil && !d.w.quiet {
		p.n.doom = nil
		d.w.after(d.w.between(0, 4*time.Millisecond), doom)
	}
	d.sync(p)
}

// open writes that an empty copy begins; the group's first record of it follows.
func (d *disk) open(id partition.ID, lineage uint32) {
	if len(d.pending) == 0 {
		d.oldest = d.w.now
	}
	d.pending = append(d.pending, written{Record: entry.Record{Partition: id, Lineage: lineage}, opened: true})
}

// drop writes that a copy ends.
func (d *disk) drop(p *process, id partition.ID) {
	if len(d.pending) == 0 {
		d.oldest = d.w.now
	}
	d.pending = append(d.pending, written{Record: entry.Record{Partition: id}, dropped: true})
	d.sync(p)
}

// installed makes the records of a copy that a snapshot has replaced harmless: they
// stand before the snapshot's own in the log.
func (d *disk) installed(id partition.ID, lineage uint32) {
	for i := range d.pending {
		if r := &d.pending[i]; r.Partition == id {
			r.opened, r.dropped, r.Lineage = false, false, lineage
		}
	}
}

// sync takes what is pending in one go. It goes on while the process is
// paused, for that is the kernel's work; a crash ends it.
func (d *disk) sync(p *process) {
	if d.syncing || len(d.pending) == 0 {
		return
	}
	d.syncing = true
	w, n, boot := d.w, p.n, p.n.boot
	batch, tickets := len(d.pending), make([]uint64, len(p.lanes))
	for i, l := range p.lanes {
		tickets[i] = l.ticket
	}
	w.after(d.syncTime(), func() {
		if !n.up || n.boot != boot || n.disk != d {
			return
		}
		d.syncing = false
		for i := range d.pending[:batch] {
			d.write(&d.pending[i])
		}
		d.pending = append(d.pending[:0], d.pending[batch:]...)
		d.oldest = w.now
		for i, l := range p.lanes {
			p.later(w.between(0, 50*time.Microsecond), func() {
				l.input(func(g *replica.Group, now replica.Time) { g.Synced(now, tickets[i]) })
			})
		}
		d.sync(p)
	})
}

// void makes the entries of a partition that are not synced count for nothing:
// the record of another copy stands behind them in the log.
func (d *disk) void(id partition.ID) {
	for i := range d.pending {
		if d.pending[i].Partition == id {
			d.pending[i].Entry = nil
		}
	}
}

func (d *disk) syncTime() time.Duration {
	w := d.w
	switch {
	case w.quiet:
		return w.between(300*time.Microsecond, 3*time.Millisecond)
	case w.now < d.slow:
		return w.between(100*time.Millisecond, 1500*time.Millisecond)
	case w.chance(w.profile.slowSync):
		return w.between(0, 500*time.Millisecond)
	default:
		return w.between(300*time.Microsecond, 6*time.Millisecond)
	}
}

// pendingFor returns how long the oldest record has waited for its sync.
func (d *disk) pendingFor() time.Duration {
	if len(d.pending) == 0 {
		return 0
	}
	return time.Duration(d.w.now - d.oldest)
}

// crash loses any suffix of what was not synced: all of it, some, or none.
func (d *disk) crash() {
	keep := 0
	if len(d.pending) > 0 && d.w.chance(0.7) {
		keep = d.w.pick(len(d.pending) + 1)
	}
	if keep < len(d.pending) {
		d.w.coverage[lostUnsynced]++
	}
	for i := range d.pending[:keep] {
		d.write(&d.pending[i])
	}
	d.pending, d.syncing = nil, false
}

// write makes one record durable. A copy may get another lineage (an unsafe
// recovery) and keep what it has.
func (d *disk) write(r *written) {
	c := &d.copies[r.Partition]
	if r.dropped {
		*c = diskCopy{}
		return
	}
	if !c.exists || r.opened {
		*c = diskCopy{exists: true, file: &table{w: d.w, id: r.Partition, lineage: r.Lineage}}
	}
	c.lineage = r.Lineage
	if r.Adopted > 0 && r.Adopted >= c.adopted {
		c.adopted, c.configuration = r.Adopted, r.Configuration
	}
	if r.Entry != nil {
		c.append(d, r.Entry)
	}
}

func (c *diskCopy) append(d *disk, e *entry.Entry) {
	first := c.file.applied.Sequence + 1
	if len(c.log) > 0 {
		first = c.log[0].Sequence
	}
	switch end := first + uint64(len(c.log)); {
	case e.Sequence > end && e.Sequence <= c.file.applied.Sequence+1: // the file has what is between
		c.log = []*entry.Entry{e}
	case e.Sequence > end:
		d.w.fail("a log is written with a gap: %s goes from %d to %d", c.file.id, end-1, e.Sequence)
	case e.Sequence < first: // the file has it: a replay would pass over it
		c.log = nil
	default:
		c.log = append(c.log[:e.Sequence-first:e.Sequence-first], e)
	}
	c.agrees = min(c.agrees, e.Sequence-1)
}

// setFile replaces the partition's file by a table that is whole and synced,
// and cuts the log up to keep entries before its end.
func (c *diskCopy) setFile(t *table, keep uint64) {
	c.file = t
	cut := 0
	for cut < len(c.log) && c.log[cut].Sequence+keep <= t.applied.Sequence {
		cut++
	}
	c.log = append([]*entry.Entry(nil), c.log[cut:]...)
}

// holds returns up to which sequence this copy has the committed log.
func (c *diskCopy) holds(t *truth) uint64 {
	if !c.exists {
		return 0
	}
	if at := c.file.applied; at.Sequence > c.agrees && at.Sequence <= uint64(len(t.log)) && t.log[at.Sequence-1].Position == at {
		c.agrees = at.Sequence
	}
	if len(c.log) == 0 {
		return c.agrees
	}
	for first := c.log[0].Sequence; c.agrees < uint64(len(t.log)); c.agrees++ {
		at := c.agrees + 1 - first
		if c.agrees+1 < first || at >= uint64(len(c.log)) || !same(c.log[at], t.log[c.agrees]) {
			break
		}
	}
	return c.agrees
}

// recover returns what a process that starts finds.
func (d *disk) recover(p *process) []replica.Copy {
	var out []replica.Copy
	for id := range d.copies {
		c := &d.copies[id]
		if !c.exists {
			continue
		}
		state := c.file.clone(p)
		state.lineage = c.lineage
		from := 0
		for from < len(c.log) && c.log[from].Sequence <= state.applied.Sequence {
			from++
		}
		out = append(out, replica.Copy{
			Partition: partition.ID(id), Lineage: c.lineage, Adopted: c.adopted, Configuration: c.configuration,
			Applied: state.applied, Logged: state.logged, Log: append([]*entry.Entry(nil), c.log[from:]...), State: state,
		})
	}
	return out
}
