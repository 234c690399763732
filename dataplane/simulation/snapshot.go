package simulation

import (
	"errors"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// A snapshot travels in parts, each answered before the next is sent, as between
// nodes: what it is of, some of its values, the rest, its end. Where the connection
// breaks the sender asks on the next one how many parts have been taken.
type part int

const (
	partBegin part = iota
	partSome       // with the header
	partRest       // with what is remembered of requests
	partEnd
)

// snapshotKept is for how long both ends keep a snapshot whose connection broke,
// as nodes do.
const snapshotKept = 10 * time.Second

var (
	errSnapshot = errors.New("the transfer broke off")
	errUnwanted = errors.New("the receiver has no use for the snapshot")
	errNoStream = errors.New("no such snapshot under way")
)

// stream names a snapshot at its receiver.
type stream struct {
	from      replica.Peer
	partition partition.ID
	id        uint64
}

// some is what the part of the image's values travels in.
func (v *stored) part() part {
	if v.key[len(v.key)-1]%2 == 0 {
		return partSome
	}
	return partRest
}

// overLink makes something arrive at the other end of a connection: what a cut
// loses comes again, as long as the connection lasts. What is under way when it
// breaks is lost, or comes late.
func (p *process) overLink(to int, boot uint64, d time.Duration, arrive func(q *process)) {
	w := p.n.w
	w.after(d, func() {
		l, other := &p.links[to], w.nodes[to]
		lasts := p.alive() && l.up && l.boot == boot
		switch {
		case !other.up || other.boot != boot:
		case lasts && !w.net.open(p.n.index, to):
			p.overLink(to, boot, w.between(50*time.Millisecond, time.Second), arrive)
		case lasts || w.chance(0.5):
			other.process.later(0, func() { arrive(other.process) })
		}
	})
}

// back makes the answer arrive where the connection lasts.
func (p *process) back(to int, boot uint64, arrive func()) {
	w := p.n.w
	p.later(w.net.delay(), func() {
		switch l := &p.links[to]; {
		case !l.up || l.boot != boot:
		case !w.net.open(p.n.index, to):
			p.back(to, boot, arrive)
		default:
			arrive()
		}
	})
}

// alive reports whether the process has not ended; it may be paused.
func (p *process) alive() bool { return p.n.up && p.n.process == p }
