package replica

import (
	"fmt"
	"slices"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// becomeWaiting begins the office of primary: from now on the old primary's
// beacons are not honoured (L4).
func (r *replica) becomeWaiting(old *partition.Configuration) {
	r.role = Waiting
	r.primary = primary{queue: r.queue, removals: r.removals, since: r.g.now}
	if !r.succeeds(old) {
		r.unknownUntil = r.g.now.Add(r.g.cfg.Timings.Promise)
	}
	r.tryTakeOver()
}

// tryTakeOver begins the take-over once every promise has run out or was
// released, the boot wait is over, and the epoch is adopted on disk (L4, L5).
func (r *replica) tryTakeOver() {
	if r.role != Waiting || r.void || r.replacing || r.promisesHold() || r.g.bootWait() || r.adoptedDurable < r.conf.Epoch {
		return
	}
	r.role = Comparing
	r.term = r.g.now
	r.members = nil
	r.setMembers()
	r.bar()
	r.g.beacons.due = true
	r.compare()
	r.mark()
}

// goOn keeps a primary in office when the epoch changes and it does not: no
// marker, no comparison with those that stay, no new leases (C6). That is sound
// only from one epoch to the very next: see adopt.
func (r *replica) goOn(old *partition.Configuration) {
	r.dropEndedGrants(old)
	r.setMembers()
	r.bar()
	r.forgetHashes(old)
	for _, c := range old.Replicas {
		if !r.conf.InSync(c.Node) && c.Node != r.moves {
			r.noteRemoval(c.Node)
		}
	}
	r.g.beacons.due = true
	if r.role == Comparing {
		for _, m := range r.members {
			m.hasLast = false
		}
		r.fetching = ""
		r.compare()
		return
	}
	r.advance()
}

// onProbeReply learns where a member's log ends.
func (r *replica) onProbeReply(from Peer, msg *Message) {
	m := r.heardFrom(from)
	if m == nil {
		return
	}
	if r.role == Comparing {
		if msg.Mismatch {
			m.void = true // a void copy in the in-sync set: it must be removed first
			return
		}
		m.last, m.hasLast = msg.Last, true
		r.compare()
		r.mark()
		return
	}
	if m.phase == following || m.phase == snapshotting {
		return
	}
	if msg.Mismatch {
		m.void = m.inSync
		r.orderSnapshot(m)
		return
	}
	r.follow(m, msg.Last)
}

// follow begins to replicate to a member whose log ends at last.
func (r *replica) follow(m *member, last entry.Position) {
	if last.Sequence < r.log.base.Sequence {
		r.orderSnapshot(m)
		return
	}
	m.phase, m.sent = following, 0
	m.match = 0
	m.sendFrom(r.log.agreement(last))
	m.backlog = r.log.last().Sequence
	m.knows = 0
	m.ackAt = r.g.now
	r.mark()
	if m.next > r.log.last().Sequence && r.adoptedDurable >= r.conf.Epoch {
		r.sendAppend(m, nil) // nothing to send: only to compare
	}
}

// compare goes on with the take-over when every replica in sync has told where
// its log ends: what a newer log has is fetched first (T1).
func (r *replica) compare() {
	if r.role != Comparing || r.void || r.adoptedDurable < r.conf.Epoch {
		return
	}
	newest, holder := r.log.last(), partition.NodeID("")
	for _, m := range r.members {
		if !m.inSync {
			continue
		}
		if !m.hasLast {
			r.mark()
			return
		}
		if newest.Less(m.last) {
			newest, holder = m.last, m.node
		}
	}
	if holder == "" {
		r.begin()
		return
	}
	if r.fetching == holder && r.g.now.Sub(r.fetched) < r.g.cfg.Timings.Resend {
		return
	}
	r.fetch(holder, r.log.last())
}

func (r *replica) fetch(holder partition.NodeID, after entry.Position) {
	r.fetching, r.fetched = holder, r.g.now
	r.send(holder, Message{Kind: Fetch, Previous: after})
}

// onFetchReply takes entries that this log lacked. They replace its own
// uncommitted end where that differs.
func (r *replica) onFetchReply(from Peer, msg *Message) {
	m := r.heardFrom(from)
	if m == nil || r.role != Comparing || r.fetching != from.Node {
		return
	}
	if msg.Mismatch {
		at := r.log.agreement(msg.Previous)
		position, ok := r.log.position(at)
		if !ok || position.Sequence+1 < msg.First {
			// The holder has flushed what this log lost: nothing here can be
			// the primary's. The coordinators see that it does not serve.
			r.spoiled(r.log.last().Sequence, fmt.Sprintf("it lacks entries that %s has had for longer than its log reaches back", from.Node))
			return
		}
		r.fetch(from.Node, position)
		return
	}
	if !contiguous(msg.Previous, msg.Entries, r.conf.Epoch) {
		r.refuseEntries(from, msg)
		return
	}
	if !r.log.has(msg.Previous) {
		return
	}
	for _, e := range msg.Entries {
		if r.log.has(e.Position) {
			continue
		}
		if e.Sequence <= r.committed || e.Sequence > r.log.last().Sequence+1 {
			return
		}
		r.replaceFrom(e.Sequence)
		r.appendEntry(e)
	}
	r.fetching = ""
	r.compare()
}

// begin puts the marker of the new office into the log, and everything up to it
// on its way to the others (T2, T3).
func (r *replica) begin() {
	r.role = Committing
	r.index()
	marker := &entry.Entry{Kind: entry.Marker}
	r.logEntry(marker)
	r.marker = marker.Sequence
	for _, m := range r.members {
		if m.hasLast {
			r.follow(m, m.last)
		}
	}
	r.retryQueue()
	r.mark()
}

// index finds the newest entry beyond committed for every key and request.
func (r *replica) index() {
	r.prepared = map[string]*entry.Entry{}
	r.requests, r.keyed = map[entry.RequestID]*entry.Entry{}, nil
	r.indexed = r.committed
	for s := r.committed + 1; ; s++ {
		e := r.log.at(s)
		if e == nil {
			return
		}
		r.remember(e)
	}
}

// advance commits what every replica in sync has on disk (W3). Until the marker
// is among it, nothing commits (T3).
func (r *replica) advance() {
	if r.role < Committing {
		return
	}
	upTo := r.durable
	for _, m := range r.members {
		if r.counts(m) {
			upTo = min(upTo, m.match)
		}
	}
	if r.g.now < r.barred {
		r.heldBack = true // somebody may read who need not acknowledge (C3)
		return
	}
	if r.inBoth() < r.g.cfg.MinInSync || upTo <= r.committed || upTo < r.marker || r.adoptedDurable < r.conf.Epoch {
		return
	}
	r.applyTo(upTo)
	r.forgetUpTo(upTo)
	if r.role == Committing {
		r.role = Serving
		r.publish()
	}
	r.answerUpTo(upTo)
	r.retryQueue()
}

// counts reports whether an entry needs the member to commit, and a lease the
// member's answer: every member of the configuration, and of the change in
// flight (C2).
func (r *replica) counts(m *member) bool {
	if m.inSync {
		return true
	}
	if r.change == nil {
		return false
	}
	_, ok := partition.Find(r.change.Replicas, m.node)
	return ok
}

// inBoth is the number that min-in-sync is measured against: the members of
// the old and of the new configuration (C2).
func (r *replica) inBoth() int {
	if r.change == nil {
		return len(r.conf.Replicas)
	}
	n := 0
	for _, c := range r.conf.Replicas {
		if slices.Contains(r.change.Replicas, c) {
			n++
		}
	}
	return n
}
