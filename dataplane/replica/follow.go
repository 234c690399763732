package replica

import "fmt"

// message handles one message about this partition.
func (r *replica) message(from Peer, m *Message) {
	if m.Configuration != nil && m.Configuration.ID == r.id {
		r.adopt(m.Configuration)
	}
	if r.conf == nil {
		return
	}
	if m.Kind == Refuse {
		r.onRefuse(from, m)
		return
	}
	if m.Epoch < r.conf.Epoch {
		r.send(from.Node, Message{Kind: Refuse, Configuration: r.conf})
		return
	}
	if m.Epoch > r.conf.Epoch {
		// It must come again with its configuration, or the map will.
		r.send(from.Node, Message{Kind: Refuse})
		return
	}
	switch m.Kind {
	case Probe:
		r.onProbe(from)
	case Append:
		r.onAppend(from, m)
	case Fetch:
		r.onFetch(from, m)
	case ProbeReply:
		r.onProbeReply(from, m)
	case FetchReply:
		r.onFetchReply(from, m)
	case Ack:
		r.onAck(from, m)
	case Reject:
		r.onReject(from, m)
	case Release:
		r.onRelease(from)
	case HashCheck:
		r.onHashCheck(from, m)
	case HashReply:
		r.onHashReply(from, m)
	case Expel:
		r.onExpel(from, m)
	case Refuse, BeaconMessage, BeaconReply:
	}
}

// follows reports whether the sender is the primary that this replica follows.
func (r *replica) follows(from Peer) bool {
	return (r.role == Secondary || r.role == Learner) && !r.silent() && r.conf.Primary == from.Node
}

// silent reports whether this is a learner of a node that leaves: if it answered,
// it would be added again.
func (r *replica) silent() bool { return r.role == Learner && r.g.leaving }

// onProbe tells the primary where this log ends (T1, K1).
func (r *replica) onProbe(from Peer) {
	if !r.follows(from) {
		return
	}
	r.acked = false
	r.send(from.Node, Message{
		Kind: ProbeReply, Last: r.log.last(), First: r.log.base.Sequence + 1,
		Committed: r.committed, Mismatch: r.void,
	})
}

// onFetch hands entries that a new primary lacks to it (T1).
func (r *replica) onFetch(from Peer, m *Message) {
	if !r.follows(from) || r.void {
		return
	}
	reply := Message{Kind: FetchReply, Previous: m.Previous, Last: r.log.last()}
	if m.Previous.Sequence < r.log.base.Sequence || !r.log.has(m.Previous) {
		reply.Mismatch = true
		reply.First = r.log.base.Sequence + 1
		if seq := r.log.agreement(m.Previous); seq < m.Previous.Sequence {
			reply.Previous, _ = r.log.position(seq)
		} else {
			reply.Previous, _ = r.log.position(max(seq, 1) - 1)
		}
	} else {
		reply.Entries = r.log.after(m.Previous.Sequence, r.g.cfg.MaxAppendBytes)
	}
	r.send(from.Node, reply)
}

// onAppend takes the primary's entries in order, and keeps what agrees (T2).
func (r *replica) onAppend(from Peer, m *Message) {
	if !r.follows(from) {
		return
	}
	if r.void {
		r.send(from.Node, Message{Kind: Reject, Mismatch: true})
		return
	}
	if !contiguous(m.Previous, m.Entries, r.conf.Epoch) {
		r.refuseEntries(from, m)
		r.send(from.Node, Message{Kind: Reject, Previous: m.Previous, Last: r.log.last()})
		return
	}
	if !r.log.has(m.Previous) {
		if here, known := r.log.position(m.Previous.Sequence); known && here.Sequence <= r.committed {
			r.spoiled(here.Sequence, fmt.Sprintf("its entry %d of epoch %d is committed, and its primary %s has one of epoch %d there",
				here.Sequence, here.Epoch, from.Node, m.Previous.Epoch))
			return
		}
		seq := r.log.agreement(m.Previous)
		if seq >= m.Previous.Sequence && seq > r.log.base.Sequence {
			seq = m.Previous.Sequence - 1
		}
		hint, _ := r.log.position(seq)
		r.kept = min(r.kept, seq)
		r.acked = false
		r.send(from.Node, Message{Kind: Reject, Previous: m.Previous, Last: hint})
		return
	}
	compared := m.Previous.Sequence
	for _, e := range m.Entries {
		compared = e.Sequence
		if r.log.has(e.Position) {
			continue // it agrees: not written again
		}
		if e.Sequence <= r.log.last().Sequence {
			if e.Sequence <= r.committed {
				r.spoiled(e.Sequence, fmt.Sprintf("its entry %d is committed, and is not that of its primary %s", e.Sequence, from.Node))
				return
			}
			r.replaceFrom(e.Sequence)
		}
		r.appendEntry(e)
	}
	r.agreed = max(r.agreed, compared)
	r.kept = max(r.kept, compared)
	r.heard = max(r.heard, m.Committed)
	r.applyFollowed()
	switch {
	case m.Configuration != nil || !r.acked || r.agreed <= r.durable && len(m.Entries) > 0:
		r.oweAck(ackNow)
	case len(m.Entries) > 0:
		r.oweAck(ackSynced)
	default:
		r.oweAck(ackLater)
	}
}

// applyFollowed applies what the primary has committed, as far as this log has
// been compared and is on disk.
func (r *replica) applyFollowed() {
	if r.state != nil && !r.void {
		r.applyTo(min(r.heard, r.agreed, r.durable))
	}
}
