package replica

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// given is what this node knows of the read grants that it gave to another as a
// primary (L6). It outlives the office: a superseded primary releases nothing
// before they have run out or come back.
type given struct {
	epoch  partition.Epoch // of the last one
	to     partition.Start // that holds them; the latest, where several do
	beacon uint64          // that carried the last one
	until  Time            // when all of them have run out, by this node's clock
}

// grant returns how long a read grant the beacon gives the member, zero for
// none, and notes it. It goes to replicas in sync that have the marker, and
// lasts no longer than this primary's own lease.
func (r *replica) grant(m *member, beacon uint64) time.Duration {
	if !r.mayGrant(m) {
		return 0
	}
	now := r.g.now
	until, _ := r.lease()
	for _, l := range r.members {
		// A learner about to be asked for bounds grants as if it counted, so
		// that none is given without its promise (L7).
		if !r.counts(l) && now < l.lease && r.caughtUp(l) {
			until = min(until, l.lease)
		}
	}
	if until <= now {
		return 0
	}
	d := until.Sub(now)
	out := now.Add(r.g.promiseFor(d))
	for _, l := range r.members {
		if !r.counts(l) && l.lease < until {
			l.unpromised = max(l.unpromised, out)
		}
	}
	if r.grants == nil {
		r.grants = map[partition.NodeID]given{}
	}
	r.grants[m.node] = given{epoch: r.conf.Epoch, to: m.session, beacon: beacon, until: max(out, r.grants[m.node].until)}
	return d
}

func (r *replica) mayGrant(m *member) bool {
	// What it lacks would look clean there, so it must have everything committed,
	// in the boot that the grant goes to.
	whole := m.phase == following && m.match >= max(r.marker, r.committed) && m.session == r.g.sessions[m.node].Start
	leaves := r.g.leaving || r.g.beacons.answered[m.node].leaving
	if r.role != Serving || !m.inSync || !whole || leaves || r.recalls || r.heir != "" || r.leaver == m.node || !r.g.connections[m.node].up {
		return false
	}
	// Those of the node's earlier start, at another address, run out by themselves.
	if g, ok := r.grants[m.node]; ok && g.to != m.session && r.g.now < g.until {
		return false
	}
	if r.change == nil {
		return true
	}
	_, stays := partition.Find(r.change.Replicas, m.node)
	return stays
}

// granted takes what a claim of its primary grants: from when the answer was sent
// that its beacon answers, if that is known, and only in the epoch that this
// secondary is in. A claim without a grant takes back the one before.
func (r *replica) granted(from Peer, c *Claim, since Time, known bool) {
	if r.role != Secondary || r.conf.Primary != from.Node {
		return
	}
	r.grantUntil = 0
	if known && c.Grant > 0 && c.Epoch == r.conf.Epoch && !r.void {
		r.grantUntil = since.Add(min(c.Grant, r.g.cfg.Timings.Lease))
	}
	r.publish()
}

// dropStaleGrants forgets the grants of a process that has adopted a higher epoch than
// that of the last one: they are void there. Another start of its node answers
// only for itself.
func (r *replica) dropStaleGrants(from Peer) {
	if g, ok := r.grants[from.Node]; ok && g.epoch < r.conf.Epoch && g.to == from.Start {
		delete(r.grants, from.Node)
		r.bar()
	}
}

// dropEndedGrants forgets the grants of processes that ended: a node whose start changed
// and that is in sync in both configurations started again at its address.
func (r *replica) dropEndedGrants(old *partition.Configuration) {
	for node, g := range r.grants {
		m := r.member(node)
		if m != nil && m.session == g.to && g.to != r.g.sessions[node].Start && old.InSync(node) && r.conf.InSync(node) {
			delete(r.grants, node)
		}
	}
}

// handedBack forgets the grants of a process that has answered a claim without
// one: what came in earlier beacons it has given up.
func (r *replica) handedBack(from Peer, beacon uint64) {
	if g, ok := r.grants[from.Node]; ok && g.beacon < beacon && g.to == from.Start {
		delete(r.grants, from.Node)
		r.bar()
	}
}

// grantsEnd returns when the last grant that this node gave has run out.
func (r *replica) grantsEnd() (end Time) {
	for _, g := range r.grants {
		end = max(end, g.until)
	}
	return end
}

// bar finds out until when nothing may be committed: while a process whose
// acknowledgement is not waited for may hold a read grant, of this primary or of
// one that it cannot know of (C3, L6).
func (r *replica) bar() {
	if !r.isPrimary() {
		return
	}
	r.barred = 0
	for node, g := range r.grants {
		if m := r.member(node); m == nil || !r.counts(m) || g.to != r.g.sessions[node].Start {
			r.barred = max(r.barred, g.until)
		}
	}
	if r.unknownUntil > r.g.now && !r.countsAll() {
		r.barred = max(r.barred, r.unknownUntil)
	}
}

// countsAll reports whether every node of the map is one whose acknowledgement
// is waited for: then nobody else can hold a grant.
func (r *replica) countsAll() bool {
	for i := range r.g.current.Nodes {
		id := r.g.current.Nodes[i].ID
		if m := r.member(id); id != r.self() && (m == nil || !r.counts(m)) {
			return false
		}
	}
	return true
}

// unbar goes on where the last grant has run out that kept commits waiting.
func (r *replica) unbar() {
	if r.heldBack && r.g.now >= r.barred {
		r.heldBack = false
		r.advance()
	}
}

// succeeds reports whether every grant of earlier primaries has run out once the
// promises of this node have: the map made it primary from among the replicas in
// sync, whose promises bound every lease and so every grant. It cannot tell where
// it has not seen the epoch before, or was not in sync in it (an operator's
// recovery). The first epoch has no primary before it.
func (r *replica) succeeds(old *partition.Configuration) bool {
	return r.conf.Epoch == 1 || old != nil && old.Epoch+1 == r.conf.Epoch && old.InSync(r.self()) && old.Lineage == r.conf.Lineage
}
