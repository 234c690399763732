package replica

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// member is what a primary knows of another replica or learner.
type member struct {
	node    partition.NodeID
	store   partition.StoreID
	inSync  bool
	void    bool            // in sync, and it has said in this epoch that its copy is of no use
	session partition.Start // that the progress below is about; zero: not heard in this office
	phase   phase
	match   uint64 // acknowledged: on its disk, compared, in this office
	next    uint64 // the first entry not sent yet
	from    uint64 // sending began after it: what lies before agrees, unless a Reject says otherwise
	backlog uint64 // the last entry that was there when it began to follow
	probing bool   // no answer has confirmed from yet: one message at a time
	told    bool   // has answered in this epoch: messages need no configuration

	last     entry.Position // the end of its log, as it said
	hasLast  bool
	knows    uint64 // the committed sequence that it was sent
	sentAt   Time   // of the oldest message without news since
	waiting  bool   // something is sent and not answered
	sent     uint64 // the last entry that it was sent, however often, and has not rejected: what lies after match it owes
	ackAt    Time   // of the latest progress, or of when nothing was outstanding
	answerAt Time   // of the latest answer to a beacon
	lease    Time   // runs until (L3)
	// unpromised is until when read grants last that were given to others
	// without this learner's promise (L7).
	unpromised Time
	probeAt    Time
	snapshots  uint64 // the ID of the latest order; zero: none
	failed     int    // orders that failed, one after the other
	failedAt   Time   // the last of them
	streams    bool   // the stream of that order has begun
	holdAt     uint64 // entries after it are kept, from then on
	holdUntil  Time   // and this long after its end, while the learner is not heard
}

// phase is how far a member's log has been compared.
type phase uint8

const (
	unknown phase = iota // has not told the end of its log
	following
	snapshotting
)

func (r *replica) member(node partition.NodeID) *member {
	at, ok := slices.BinarySearchFunc(r.members, node, func(m *member, n partition.NodeID) int {
		return compareNodes(m.node, n)
	})
	if !ok {
		return nil
	}
	return r.members[at]
}

// setMembers brings the members in line with the configuration. Those that stay
// keep what is known of them (C6).
func (r *replica) setMembers() {
	var members []*member
	add := func(list []partition.Replica, inSync bool) {
		for _, c := range list {
			if c.Node == r.self() {
				continue
			}
			m := r.member(c.Node)
			start := r.g.sessions[c.Node].Start
			if m == nil || m.store != c.Store || m.session != start && (!inSync || !m.session.IsZero()) {
				fresh := &member{node: c.Node, store: c.Store}
				if m != nil && m.store == c.Store {
					fresh.unpromised = m.unpromised
					if inSync { // a promise outlives a restart (L5); whoever started elsewhere is not in sync
						fresh.lease = m.lease
					}
				}
				m = fresh
			}
			m.inSync, m.told, m.void = inSync, false, false
			m.ackAt, m.answerAt, m.probeAt = r.g.now, r.g.now, 0
			m.resend(r.g.now)
			members = append(members, m)
		}
	}
	add(r.conf.Replicas, true)
	add(r.conf.Learners, false)
	slices.SortFunc(members, func(a, b *member) int { return compareNodes(a.node, b.node) })
	r.members = members
}

// heard notes an answer of the member in this epoch, from the boot it is of. It
// reports whether the answer counts.
func (r *replica) heardFrom(from Peer) *member {
	m := r.member(from.Node)
	if m == nil || !r.isPrimary() || m.store != from.Store || from.Start.SupersededBy(m.session) {
		return nil
	}
	if !m.session.IsZero() && from.Start != m.session {
		// Another start: what it held unsynced is gone; it is compared anew.
		m.phase, m.match, m.hasLast, m.void = unknown, 0, false, false
	}
	m.session = from.Start
	if !m.told {
		m.told = true
		r.dropStaleGrants(from)
	}
	return m
}

// resend makes everything that is not acknowledged be sent again.
func (m *member) resend(now Time) {
	if m.phase == following {
		m.next = m.confirmed() + 1
		m.knows = 0
	}
	m.waiting = false
	m.sentAt = now
}

// confirmed is where sending begins again: what is acknowledged, or, before the
// first acknowledgement, where the logs are taken to agree.
func (m *member) confirmed() uint64 { return max(m.match, m.from) }

// sendFrom makes the entries after sequence go out: one message, and the rest
// once an answer says that the logs agree there. So one gap costs one message,
// not one for each that is rejected because of it.
func (m *member) sendFrom(sequence uint64) {
	m.next, m.from, m.probing, m.waiting = sequence+1, sequence, true, false
}

// hold returns the sequence after which entries must be kept for the member.
func (m *member) hold(now Time) (uint64, bool) {
	switch m.phase {
	case following:
		return m.match, true
	case snapshotting:
		return m.holdAt, m.streams
	case unknown:
		return m.holdAt, now < m.holdUntil
	}
	return 0, false
}

// configurationFor is carried by messages until the member has answered in
// this epoch (W4).
func (r *replica) configurationFor(m *member) *partition.Configuration {
	if m.told {
		return nil
	}
	return r.conf
}

// flushMembers sends each member what it has not been sent: a probe, or the
// entries that come next, or news of what is committed.
func (r *replica) flushMembers() {
	if r.adoptedDurable < r.conf.Epoch {
		return
	}
	for _, m := range r.members {
		switch {
		case m.phase == snapshotting:
		case m.phase == unknown || r.role == Comparing:
			if r.role == Comparing && (!m.inSync || m.hasLast) {
				continue
			}
			if m.probeAt == 0 || r.g.now.Sub(m.probeAt) >= r.g.cfg.Timings.Resend {
				m.probeAt = r.g.now
				r.send(m.node, Message{Kind: Probe, Configuration: r.configurationFor(m)})
			}
		default:
			r.sendEntries(m)
		}
	}
}

func (r *replica) sendEntries(m *member) {
	last := r.log.last().Sequence
	for m.next <= last && !(m.probing && m.waiting) {
		if m.next-1 < r.log.base.Sequence {
			r.orderSnapshot(m)
			return
		}
		if r.log.bytes(m.confirmed(), m.next-1) >= r.g.cfg.MaxUnackedBytes {
			return
		}
		if r.starves(m) {
			return
		}
		before, old := m.next-1, r.behind(m)
		r.sendAppend(m, r.log.after(before, r.g.cfg.MaxAppendBytes))
		if old && r.g.allowance.bound {
			r.g.allowance.bytes -= r.log.bytes(before, m.next-1)
		}
	}
}

func (r *replica) sendAppend(m *member, entries []*entry.Entry) {
	previous, ok := r.log.position(m.next - 1)
	if !ok {
		r.orderSnapshot(m)
		return
	}
	if !m.waiting {
		m.waiting, m.sentAt = true, r.g.now
	}
	m.next += uint64(len(entries))
	m.sent = max(m.sent, m.next-1)
	m.knows = r.committed
	r.send(m.node, Message{
		Kind: Append, Configuration: r.configurationFor(m),
		Previous: previous, Entries: entries, Committed: r.committed,
	})
}

// learnerIdle is how long entries are kept for a learner without progress.
const learnerIdle = 10 * time.Second

// watchMembers sends again what was not answered, and tells idle members what
// is committed.
func (r *replica) watchMembers() {
	now, last := r.g.now, r.log.last().Sequence
	for _, m := range r.members {
		switch m.phase {
		case unknown:
			if now.Sub(m.probeAt) >= r.g.cfg.Timings.Resend {
				r.mark()
			}
		case following:
			if m.match >= last {
				m.ackAt = now
			}
			r.starves(m)
			if !m.inSync && now.Sub(m.ackAt) > learnerIdle {
				m.phase, m.match, m.sent = unknown, 0, 0 // not in progress: its entries are not kept
				continue
			}
			if m.waiting && now.Sub(m.sentAt) >= r.g.cfg.Timings.Resend {
				m.resend(now)
				r.mark()
			}
			if (m.knows < r.committed || !m.told) && !m.waiting && r.adoptedDurable >= r.conf.Epoch && m.next-1 >= r.log.base.Sequence {
				r.sendAppend(m, nil)
			}
		case snapshotting:
		}
	}
}

// forgive begins every period of silence anew: the process itself stood still.
func (r *replica) forgive() {
	for _, m := range r.members {
		m.ackAt, m.answerAt, m.sentAt = r.g.now, r.g.now, r.g.now
	}
}

// onAck counts what a member has on disk (W2, W3).
func (r *replica) onAck(from Peer, msg *Message) {
	m := r.heardFrom(from)
	if m == nil || m.phase != following {
		r.mark()
		return
	}
	if msg.Last.Sequence > r.log.last().Sequence {
		return // of another log than this
	}
	if msg.Last.Sequence >= m.from {
		m.probing = false
	}
	if msg.Last.Sequence > m.match {
		m.match = msg.Last.Sequence
		m.next = max(m.next, m.match+1)
		m.ackAt, m.failed = r.g.now, 0
	}
	m.knows = min(m.knows, msg.Committed) // what it was told since may be lost
	if m.match+1 >= m.next {
		m.waiting = false
	} else {
		m.sentAt = r.g.now
	}
	r.advance()
	r.mark()
}

// onReject looks further back for where the member's log agrees (T2).
func (r *replica) onReject(from Peer, msg *Message) {
	m := r.heardFrom(from)
	if m == nil || r.role == Comparing {
		return
	}
	m.sent = 0
	if msg.Mismatch {
		m.void = m.inSync
		r.orderSnapshot(m)
		return
	}
	if m.phase != following || msg.Previous.Sequence+1 > m.next || msg.Previous.Sequence <= m.match ||
		m.probing && msg.Previous.Sequence != m.from {
		return // an answer to something older
	}
	m.sendFrom(max(min(r.log.agreement(msg.Last), msg.Previous.Sequence-1), m.match))
	if m.next-1 < r.log.base.Sequence || msg.Last.Sequence < r.log.base.Sequence {
		r.orderSnapshot(m)
		return
	}
	r.mark()
}

// onRefuse handles a refusal for the epoch: a newer one has been adopted with
// it; an older one needs to be told this one (W4).
func (r *replica) onRefuse(from Peer, msg *Message) {
	if m := r.member(from.Node); m != nil && msg.Epoch < r.conf.Epoch && r.isPrimary() {
		m.told = false
	}
}
