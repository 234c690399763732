package simulation

import (
	"errors"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// outgoing is a snapshot on its way to a learner.
type outgoing struct {
	p          *process
	order      replica.SnapshotOrder
	meta       replica.SnapshotMeta
	image      *table
	to         int
	connection uint64  // that it goes over; 0: it waits for one
	pauses     bool    // for the throttle, before the next part: it sees no break
	next       part    // which is not known to be taken
	asking     bool    // how far the receiver is
	broken     instant // when the asking began
}

// sendSnapshot streams a partition's state to a learner, once there is room for
// another stream.
func (p *process) sendSnapshot(o replica.SnapshotOrder) {
	w := p.n.w
	w.coverage[snapshotOrdered]++
	p.later(w.between(0, w.profile.transfer/4), func() {
		stands := false
		p.lane(o.Partition).input(func(g *replica.Group, now replica.Time) { stands = g.SnapshotBegins(now, o) })
		s := &outgoing{p: p, order: o, to: p.place(o.To)}
		if !stands {
			s.done(errUnwanted)
			return
		}
		t := p.tables[o.Partition]
		if t == nil || !p.links[s.to].up {
			s.done(errSnapshot)
			return
		}
		s.image = t.clone(nil)
		status, _ := p.group(o.Partition).Status(o.Partition)
		s.image.lineage = status.Lineage
		s.meta = replica.SnapshotMeta{Partition: o.Partition, Epoch: o.Epoch, Lineage: status.Lineage, ID: o.ID, Applied: t.applied}
		w.logf("%s sends snapshot %d of %s at %d to %s", p.n.id, o.ID, o.Partition, s.meta.Applied.Sequence, o.To)
		p.outgoing = append(p.outgoing, s)
		s.connection = p.links[s.to].number
		s.send()
	})
}

func (o *outgoing) stream() stream {
	return stream{from: o.p.self, partition: o.order.Partition, id: o.order.ID}
}

// send sends the next part after a pause, and the one after it once it is answered.
func (o *outgoing) send() {
	w := o.p.n.w
	if o.next == partBegin {
		o.sendPart(w.net.delay())
		return
	}
	pause, d := w.between(0, w.profile.transfer/2), w.net.delay()+w.between(0, w.profile.transfer/2)
	if w.interruptions > 0 && !w.quiet {
		w.interruptions--
		w.after(w.between(0, (pause+d)*5/4), o.interrupt)
	}
	o.pauses = true
	o.p.later(pause, func() {
		o.pauses = false
		l := &o.p.links[o.to]
		if !l.up {
			o.interrupted()
			return
		}
		if l.number != o.connection {
			w.coverage[snapshotUnaware]++
			o.connection = l.number
		}
		o.sendPart(d)
	})
}

func (o *outgoing) sendPart(d time.Duration) {
	p, connection, number := o.p, o.connection, o.next
	boot := p.links[o.to].boot
	p.overLink(o.to, boot, d, func(q *process) {
		err := q.takePart(o, connection, number)
		p.back(o.to, boot, func() {
			switch {
			case connection != o.connection:
			case errors.Is(err, errNoStream) && number != partBegin:
				o.interrupted() // over a connection that the receiver does not know it by
			case err != nil || number == partEnd:
				o.done(err)
			default:
				o.next++
				o.send()
			}
		})
	})
}

// interrupt is a fault: the connection breaks, or the learner's process ends and
// another begins, while a part is under way.
func (o *outgoing) interrupt() {
	p, w := o.p, o.p.n.w
	to := w.nodes[o.to]
	if !p.alive() || o.connection == 0 || w.quiet {
		return
	}
	w.coverage[faultInterruption]++
	w.logf("the snapshot of %s to %s is interrupted", o.order.Partition, to.id)
	if to.up && w.chance(0.5) {
		to.crash(false)
		w.restart(to, w.between(20*time.Millisecond, time.Second))
		return
	}
	p.later(0, func() { p.broken(o.to) })
}

// interrupted is the end of its connection.
func (o *outgoing) interrupted() {
	w := o.p.n.w
	if o.connection == 0 || o.pauses {
		return // it waits for another already, or will see when it goes on
	}
	w.coverage[snapshotBroken]++
	o.connection = 0
	if o.next == partBegin {
		o.done(errSnapshot)
		return
	}
	if !o.asking {
		o.asking, o.broken = true, w.now
	}
	o.askLater()
}

func (o *outgoing) askLater() {
	o.p.later(o.p.n.w.between(50*time.Millisecond, time.Second), o.ask)
}

// ask asks the receiver how many parts it has taken, once there is a connection.
func (o *outgoing) ask() {
	p, w := o.p, o.p.n.w
	l := p.links[o.to]
	switch {
	case w.now > o.broken.add(snapshotKept):
		o.done(errSnapshot)
		return
	case !l.up:
		o.askLater()
		return
	}
	connection := l.number
	o.connection = connection
	p.overLink(o.to, l.boot, w.net.delay(), func(q *process) {
		taken, err := q.taken(o.stream(), o.meta, connection)
		p.back(o.to, l.boot, func() {
			if connection == o.connection {
				o.goOn(taken, err)
			}
		})
	})
}

// goOn goes on from what the receiver has: all, or all but the latest part.
func (o *outgoing) goOn(taken part, err error) {
	o.asking = false
	switch {
	case err != nil:
		o.done(err)
		return
	case taken == o.next+1:
		o.next++
	case taken != o.next:
		o.done(errSnapshot)
		return
	}
	o.p.n.w.coverage[snapshotResumed]++
	o.send()
}

// done tells the group what became of it.
func (o *outgoing) done(err error) {
	p := o.p
	p.outgoing = slices.DeleteFunc(p.outgoing, func(other *outgoing) bool { return other == o })
	o.connection = 0
	p.later(0, func() {
		p.lane(o.order.Partition).input(func(g *replica.Group, now replica.Time) { g.SnapshotSent(now, o.order, err) })
	})
}
