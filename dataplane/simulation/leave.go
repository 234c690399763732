package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// leaveEvery is how often a node that leaves looks how far it is, and
// longestLeave how long it waits for others to take over.
const (
	leaveEvery   = 10 * time.Millisecond
	longestLeave = 3 * time.Second
)

// leave begins to end a node's process in good order: it takes its read grants
// back, says in its heartbeats that it leaves, and ends when the map has it in no
// in-sync set, or when it has waited for long enough.
func (n *node) leave() {
	w, p := n.w, n.process
	if !n.up || p.leaving {
		return
	}
	w.logf("%s leaves", n.id)
	w.coverage[faultLeave]++
	p.leaving = true
	p.everywhere(func(g *replica.Group, now replica.Time) { g.SetLeaving(now) })
	p.leaveOn(w.now.add(longestLeave))
}

func (p *process) leaveOn(until instant) {
	w := p.n.w
	p.later(leaveEvery, func() {
		if !p.released {
			p.released = !slices.ContainsFunc(p.lanes, func(l *lane) bool { return !l.group.Retired(p.now()) })
		}
		switch {
		case p.released && p.inSyncNowhere():
			w.coverage[handedOver]++
		case w.now < until:
			p.leaveOn(until)
			return
		}
		p.n.crash(false)
		w.restart(p.n, w.duration(4*time.Second))
	})
}

func (p *process) inSyncNowhere() bool {
	if p.m == nil {
		return true
	}
	for i := range p.m.Partitions {
		if p.m.Partitions[i].InSync(p.n.id) {
			return false
		}
	}
	return true
}
