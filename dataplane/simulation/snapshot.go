package simulation

import (
	"errors"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

var errSnapshot = errors.New("the transfer broke off")

// snapshotKept is for how long both ends keep a snapshot whose connection broke,
// as nodes do.
const snapshotKept = 10 * time.Second

// sendSnapshot carries a partition's state to a learner, in one long message:
// the learner's group is asked before it, on the way, and when it is there. Where
// the network breaks it off it goes on later, if both processes are still there.
func (p *process) sendSnapshot(o replica.SnapshotOrder) {
	w := p.n.w
	w.coverage[snapshotOrdered]++
	t := p.tables[o.Partition]
	image := t.clone(nil)
	status, _ := p.group.Status(o.Partition)
	image.lineage = status.Lineage
	meta := replica.SnapshotMeta{Partition: o.Partition, Epoch: o.Epoch, Lineage: status.Lineage, ID: o.ID, Applied: t.applied}
	to := w.index(o.To)
	sent := func(err error) {
		p.later(w.net.delay(), func() {
			p.input(func(g *replica.Group, now replica.Time) { g.SnapshotSent(now, o, err) })
		})
	}
	w.logf("%s sends a snapshot of %s at %d to %s", p.n.id, o.Partition, meta.Applied.Sequence, o.To)
	l := p.links[to]
	if !l.up {
		sent(errSnapshot)
		return
	}
	q := w.nodes[to].process
	stage := func(next func()) func() {
		broken := -instant(1)
		var run func()
		run = func() {
			alive := w.nodes[to].up && w.nodes[to].boot == l.boot && p.n.up && p.n.process == p
			cut := !w.net.open(p.n.index, to)
			if alive && cut && broken < 0 {
				broken = w.now
			}
			switch {
			case alive && cut && w.now < broken.add(snapshotKept):
				q.arrives(w.between(50*time.Millisecond, time.Second), run)
			case !alive || cut || !q.group.WantsSnapshot(meta):
				w.coverage[snapshotBroken]++
				sent(errSnapshot)
			default:
				if broken >= 0 {
					w.coverage[snapshotResumed]++
				}
				next()
			}
		}
		return run
	}
	install := stage(func() {
		q.install(meta, image)
		sent(nil)
	})
	half := stage(func() { q.arrives(w.between(0, w.profile.transfer), install) })
	q.arrives(w.net.delay(), stage(func() { q.arrives(w.between(0, w.profile.transfer), half) }))
}

// arrives is later for what comes from outside: it happens also where the
// process has died, and finds that out.
func (p *process) arrives(d time.Duration, run func()) {
	n, boot := p.n, p.n.boot
	n.w.after(d, func() {
		if n.up && n.boot == boot && n.paused {
			n.deferred = append(n.deferred, run)
			return
		}
		run()
	})
}

// install replaces the copy on disk, whole and synced, then hands the state to
// the group. A crash between the two finds the new copy.
func (p *process) install(meta replica.SnapshotMeta, image *table) {
	w := p.n.w
	if !p.group.BeginsSnapshot(meta) {
		w.fail("%s wants a snapshot of %s, and does not begin it", p.n.id, meta.Partition)
	}
	p.n.disk.void(meta.Partition)
	c := &p.n.disk.copies[meta.Partition]
	if !c.exists || c.lineage != meta.Lineage {
		*c = diskCopy{exists: true, lineage: meta.Lineage}
	}
	p.n.disk.installed(meta.Partition)
	c.file = image
	c.log = nil
	c.twist = 0
	c.agrees = min(c.agrees, meta.Applied.Sequence)
	w.coverage[snapshotInstalled]++
	w.logf("%s has a snapshot of %s at %d/%d", p.n.id, meta.Partition, meta.Applied.Sequence, meta.Applied.Epoch)
	p.later(w.between(0, 5*time.Millisecond), func() {
		t := image.clone(p)
		meta.Logged = t.logged
		p.tables[meta.Partition] = t
		p.input(func(g *replica.Group, now replica.Time) { g.SnapshotInstalled(now, meta, t) })
	})
}
