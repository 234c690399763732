package client

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// handOverEvery is how often a primary asks for what moves want of it.
const handOverEvery = 250 * time.Millisecond

// holdFor bounds for how long no new write begins because of a hand-over.
const holdFor = time.Second

// handOver does for a program that does not propose by itself what moves want of
// a primary: to hand over, and to let those go that move away. It hands over when
// no write is open, as far as that can be waited for: the outcome of one that is
// open then would be unknown.
func (c *Client) handOver() {
	ticks := time.NewTicker(handOverEvery)
	defer ticks.Stop()
	for {
		changed := c.maps.changed()
		m := c.Map()
		for i := range m.Moves {
			change, wanted := c.wantedOf(m, &m.Moves[i])
			if wanted && (change.Primary == c.config.NodeID || c.leading.quiet(time.Now(), change.Partition)) {
				c.Propose(change)
			}
		}
		select {
		case <-c.ctx.Done():
			return
		case <-changed:
		case <-c.leading.still:
		case <-ticks.C:
		}
	}
}

// MoveChange is the change that this node should ask for, as the primary of the
// partition, for the sake of a move: to hand over, or to let go who moves away.
// Who proposes by itself asks for it when nothing is in the way (rules L4, C3);
// false where there is nothing to ask for.
func (c *Client) MoveChange(p *Partition) (partition.Change, bool) {
	m := c.Map()
	v, moving := m.Move(p.Number)
	if !moving {
		return partition.Change{}, false
	}
	return c.wantedOf(m, v)
}

// wantedOf is the change that this node, as primary, should ask for.
func (c *Client) wantedOf(m *partition.Map, v *partition.Move) (change partition.Change, wanted bool) {
	p, placed := m.Partition(v.Partition)
	if !placed || p.Primary != c.config.NodeID || !c.named(m) {
		return change, false
	}
	change = partition.Change{
		Partition: p.ID, Epoch: p.Epoch, Primary: p.Primary, Replicas: p.Replicas, Proposer: c.config.NodeID,
	}
	if heir := partition.Heir(v, p); heir != "" {
		change.Primary, change.Reason = heir, fmt.Sprintf("hands over to %s", heir)
		return change, true
	}
	leaver := partition.Leaver(v, p, m.Settings.MinInSync)
	change.Replicas = slices.DeleteFunc(slices.Clone(p.Replicas), func(r partition.Replica) bool { return r.Node == leaver })
	change.Reason = fmt.Sprintf("%s moves away", leaver)
	return change, leaver != ""
}

// quiet reports whether a partition can be handed over now: no write of it is open, or
// it was waited for long enough. Until then no new write begins.
func (l *leading) quiet(now time.Time, id partition.ID) bool {
	one, err := l.leadership(id)
	return err != nil || one.quiet(now)
}

func (l *leadership) quiet(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.held != l.mu.p.Epoch { // once in an epoch
		l.mu.held, l.mu.holdEnds = l.mu.p.Epoch, now.Add(holdFor)
	}
	return len(l.mu.open) == 0 || !now.Before(l.mu.holdEnds)
}

// holds is for how long no new write begins; the caller holds mu.
func (l *leadership) holds(now time.Time) time.Duration {
	if l.mu.held != l.mu.p.Epoch {
		return 0
	}
	return l.mu.holdEnds.Sub(now)
}
