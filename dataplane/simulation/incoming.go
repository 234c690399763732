package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// incoming is a snapshot that a learner has got a part of.
type incoming struct {
	stream     stream
	meta       replica.SnapshotMeta
	connection uint64 // what comes on another is late
	taken      part   // how many parts
	image      *table
}

// takePart takes in the next part of a stream.
func (p *process) takePart(o *outgoing, connection uint64, number part) error {
	if number == partBegin {
		p.incoming = slices.DeleteFunc(p.incoming, func(other *incoming) bool { return other.stream.partition == o.order.Partition })
		if !p.group(o.meta.Partition).WantsSnapshot(o.meta) {
			return errUnwanted
		}
		p.incoming = append(p.incoming, &incoming{stream: o.stream(), meta: o.meta, connection: connection, taken: 1})
		return nil
	}
	in := p.receives(o.stream())
	if in == nil || in.connection != connection {
		return errNoStream
	}
	if err := in.take(o, number); err != nil || number != partEnd {
		if err != nil {
			p.forget(in)
		}
		return err
	}
	p.forget(in)
	if !p.group(in.meta.Partition).WantsSnapshot(in.meta) {
		return errUnwanted
	}
	p.install(in.meta, in.image)
	return nil
}

// take puts a part to what has come before. The sums that a real one ends with would
// show a mixture of two, whatever else is left out, and are not modelled.
func (in *incoming) take(o *outgoing, number part) error {
	if number != in.taken {
		return errSnapshot
	}
	from := o.image.clone(nil)
	switch number {
	case partSome:
		if from.applied != in.meta.Applied || from.lineage != in.meta.Lineage {
			return errSnapshot
		}
		in.image = from.clone(nil)
		in.image.values, in.image.origins, in.image.keyed = nil, nil, nil
	case partRest:
		in.image.origins, in.image.keyed = from.origins, from.keyed
	}
	for i := range from.values {
		if v := &from.values[i]; v.part() == number {
			in.image.values = append(in.image.values, *v)
		}
	}
	in.taken++
	return nil
}

// taken answers how many parts of a snapshot have come: from now on they come over
// another connection.
func (p *process) taken(s stream, meta replica.SnapshotMeta, connection uint64) (part, error) {
	in := p.receives(s)
	switch {
	case in == nil || in.meta != meta:
		return 0, errNoStream
	case !p.group(in.meta.Partition).WantsSnapshot(in.meta):
		p.forget(in)
		return 0, errUnwanted
	}
	in.connection = connection
	return in.taken, nil
}

func (p *process) receives(s stream) *incoming {
	for _, in := range p.incoming {
		if in.stream == s {
			return in
		}
	}
	return nil
}

func (p *process) forget(in *incoming) {
	p.incoming = slices.DeleteFunc(p.incoming, func(other *incoming) bool { return other == in })
}

// install replaces the copy on disk, whole and synced, then hands the state to
// the group. A crash between the two finds the new copy.
func (p *process) install(meta replica.SnapshotMeta, image *table) {
	w := p.n.w
	if !p.group(meta.Partition).BeginsSnapshot(meta) {
		w.fail("%s wants a snapshot of %s, and does not begin it", p.n.id, meta.Partition)
	}
	w.truth[meta.Partition].copied(p, image)
	p.n.disk.void(meta.Partition)
	c := &p.n.disk.copies[meta.Partition]
	if !c.exists || c.lineage != meta.Lineage {
		*c = diskCopy{exists: true, lineage: meta.Lineage}
	}
	p.n.disk.installed(meta.Partition, meta.Lineage)
	c.file = image
	c.log = nil
	c.twist = 0
	c.agrees = min(c.agrees, meta.Applied.Sequence)
	w.coverage[snapshotInstalled]++
	w.logf("%s has a snapshot of %s at %d/%d", p.n.id, meta.Partition, meta.Applied.Sequence, meta.Applied.Epoch)
	p.tables[meta.Partition] = nil // what the old copy had is flushed no more
	d := w.between(0, 5*time.Millisecond)
	if w.chance(0.1) {
		d = w.between(0, 3*time.Second) // a disk that others keep busy
	}
	p.later(d, func() {
		t := image.clone(p)
		meta.Logged = t.logged
		p.tables[meta.Partition] = t
		p.lane(meta.Partition).input(func(g *replica.Group, now replica.Time) { g.SnapshotInstalled(now, meta, t) })
	})
}
