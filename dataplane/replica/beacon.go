package replica

import (
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// beacons is a group's part in leases: one beacon for each pair of nodes, about
// all partitions of the group (L1).
type beacons struct {
	id   uint64
	next Time
	due  bool
	sent map[partition.NodeID][]sentBeacon
	// answered is the latest answer that arrived of each node, heard what came
	// of its own beacons.
	answered map[partition.NodeID]answered
	heard    map[partition.NodeID]*heard
}

// answered is the latest answer of one boot of a node.
type answered struct {
	from     Peer
	id       uint64
	shortage Shortage // as that answer says
	leaving  bool
}

// heard is what came of one boot's beacons: the highest, and when the latest
// were answered.
type heard struct {
	from    Peer
	highest uint64
	answers []answerSent
	evicted uint64 // the highest that is remembered no more: a duplicate of it would count anew
	left    uint64 // the first that was answered with Leaving
	known   bool   // and that answer has arrived
}

type answerSent struct {
	id uint64
	at Time
}

// sentBeacon is remembered until its answer can no longer be of use.
type sentBeacon struct {
	id     uint64
	at     Time
	claims []Claim
}

// sentKept is how many unanswered beacons to a node are remembered.
const sentKept = 8

func newBeacons(self Peer) beacons {
	return beacons{
		// An answer to an earlier start's beacon must not be taken for one to ours.
		id: uint64(self.Start.ID >> 1), sent: map[partition.NodeID][]sentBeacon{},
		answered: map[partition.NodeID]answered{}, heard: map[partition.NodeID]*heard{},
	}
}

// sendBeacons claims every partition that this node is primary of, to everybody
// who has a part in it.
func (g *Group) sendBeacons() {
	g.beacons.due = false
	g.beacons.next = g.now.Add(g.cfg.Timings.Beacon)
	claims := map[partition.NodeID][]Claim{}
	g.beacons.id++ // of all that go out now
	for _, r := range g.order {
		if !r.isPrimary() || r.adoptedDurable < r.conf.Epoch {
			continue
		}
		for _, m := range r.members {
			claims[m.node] = append(claims[m.node], Claim{
				Partition: r.id, Epoch: r.conf.Epoch, Configuration: r.configurationFor(m),
				Grant: r.grant(m, g.beacons.id),
			})
		}
	}
	for _, node := range slices.SortedFunc(maps.Keys(claims), compareNodes) {
		b := &Beacon{ID: g.beacons.id, Lease: g.cfg.Timings.Lease, Claims: claims[node]}
		if a := g.beacons.answered[node]; a.from == g.sessions[node] {
			b.Answers = a.id
		}
		sent := g.beacons.sent[node]
		if len(sent) >= sentKept {
			sent = slices.Delete(sent, 0, len(sent)-sentKept+1)
		}
		g.beacons.sent[node] = append(sent, sentBeacon{id: b.ID, at: g.now, claims: b.Claims})
		g.send(node, Message{Kind: BeaconMessage, Beacon: b})
	}
}

// onBeacon gives promises, and names what is not promised (L1, L2).
func (g *Group) onBeacon(from Peer, b *Beacon) {
	reply := &Answering{ID: b.ID, Shortage: g.shortage, Leaving: g.leaving}
	h := g.beacons.heardOf(from)
	if g.leaving {
		h.leaves(b)
	}
	newest := b.ID > h.highest // of grants only what is newest counts
	h.highest = max(h.highest, b.ID)
	since, known := h.answeredAt(b.Answers)
	// A longer promise than this node has noted on disk is not its to give.
	tooLong := b.Lease > g.cfg.Timings.Lease
	length := g.promiseFor(b.Lease)
	for i := range b.Claims {
		c := &b.Claims[i]
		if !g.takes(c.Partition) {
			// What an answer does not list is promised: this must be listed.
			reply.Refused = append(reply.Refused, Refusal{Partition: c.Partition})
			continue
		}
		r := g.replica(c.Partition)
		if tooLong || !r.honour(from, c) {
			refusal := Refusal{Partition: c.Partition}
			if r.conf != nil && r.conf.Epoch > c.Epoch {
				refusal.Configuration = r.conf
			}
			reply.Refused = append(reply.Refused, refusal)
			continue
		}
		r.promise(from, length)
		if newest && !g.leaving {
			r.granted(from, c, since, known)
		}
	}
	h.answer(b.ID, g.now)
	g.send(from.Node, Message{Kind: BeaconReply, Reply: reply})
}

// leaves notes an answer that says that this node ends, and whether such a one
// has arrived.
func (h *heard) leaves(b *Beacon) {
	if h.left == 0 {
		h.left = b.ID
	} else if b.Answers >= h.left {
		h.known = true
	}
}

// heardOf returns what came of the beacons of one boot of a node. Another boot
// begins anew.
func (b *beacons) heardOf(from Peer) *heard {
	h := b.heard[from.Node]
	if h == nil || h.from != from {
		h = &heard{from: from}
		b.heard[from.Node] = h
	}
	return h
}

// answer notes when a beacon is answered; the first time counts.
func (h *heard) answer(id uint64, at Time) {
	if _, again := h.answeredAt(id); again || id <= h.evicted {
		return
	}
	if len(h.answers) >= sentKept {
		h.evicted = max(h.evicted, h.answers[len(h.answers)-sentKept].id)
		h.answers = slices.Delete(h.answers, 0, len(h.answers)-sentKept+1)
	}
	h.answers = append(h.answers, answerSent{id: id, at: at})
}

func (h *heard) answeredAt(id uint64) (Time, bool) {
	for _, a := range h.answers {
		if a.id == id {
			return a.at, true
		}
	}
	return 0, false
}

// promiseFor is how long a promise for a lease must last: G/L times as long,
// never less.
func (g *Group) promiseFor(lease time.Duration) time.Duration {
	t := &g.cfg.Timings
	if lease <= 0 || lease >= t.Lease {
		return t.Promise
	}
	hi, lo := bits.Mul64(uint64(lease), uint64(t.Promise))
	length, rest := bits.Div64(hi, lo, uint64(t.Lease)) // below Promise, for lease is below Lease
	if rest > 0 {
		length++
	}
	return time.Duration(length)
}

// honour reports whether a claim gets this partition's promise: from the
// primary that this node knows, also where it does not know the partition yet.
func (r *replica) honour(from Peer, c *Claim) bool {
	if c.Configuration != nil && c.Configuration.ID == r.id {
		r.adopt(c.Configuration)
	}
	if r.conf == nil || r.conf.Epoch < c.Epoch {
		return r.role < Waiting
	}
	return r.conf.Primary == from.Node
}

// onBeaconReply extends leases by L from when the beacon was sent (L3).
func (g *Group) onBeaconReply(from Peer, a *Answering) {
	at := slices.IndexFunc(g.beacons.sent[from.Node], func(s sentBeacon) bool { return s.id == a.ID })
	if at < 0 {
		return
	}
	sent := g.beacons.sent[from.Node][at]
	if last := g.beacons.answered[from.Node]; last.from != from || last.id < sent.id {
		g.beacons.answered[from.Node] = answered{from: from, id: sent.id, shortage: a.Shortage, leaving: a.Leaving || last.from == from && last.leaving}
	}
	if a.Leaving {
		g.declined(from)
	}
	refused := map[partition.ID]bool{}
	for _, refusal := range a.Refused {
		refused[refusal.Partition] = true
		if r := g.replicas[refusal.Partition]; r != nil && r.conf != nil && refusal.Configuration != nil && refusal.Configuration.ID == r.id {
			r.adopt(refusal.Configuration)
		}
	}
	for _, c := range sent.claims {
		r := g.replicas[c.Partition]
		if refused[c.Partition] {
			continue
		}
		if c.Grant == 0 {
			r.handedBack(from, sent.id)
		}
		if !r.isPrimary() || sent.at < r.term {
			continue
		}
		if m := r.member(from.Node); m != nil && m.store == from.Store {
			m.lease = max(m.lease, sent.at.Add(g.cfg.Timings.Lease))
			m.answerAt = g.now
			r.publish()
			r.giveVerdicts()
			r.retryQueue()
		}
	}
}

// lease returns until when this primary may answer reads: the earliest end of
// the leases of all in sync, and of a change in flight (L3, C2). Alone it needs
// none.
func (r *replica) lease() (until Time, alone bool) {
	until, alone = 0, true
	for _, m := range r.members {
		if !r.counts(m) {
			continue
		}
		if alone || m.lease < until {
			until = m.lease
		}
		alone = false
	}
	return until, alone
}

// mayRead reports whether the primary's lease holds at the time of this input.
// What is answered on it is marked as leased, and checked again by the driver.
func (r *replica) mayRead() bool {
	until, alone := r.lease()
	return alone || r.g.now < until
}
