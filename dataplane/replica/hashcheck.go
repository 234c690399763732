package replica

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// hashPatience is how long a primary waits for the hashes of one check.
const hashPatience = 5 * time.Second

// hashCheck is a primary's comparison, now and then, of the rolling hashes that
// the replicas in sync have of the partition's state at one sequence. They
// differ only where a replica applied something else than the others: a fault of
// the hardware or of this program.
type hashCheck struct {
	next   Time   // when the next check begins
	at     uint64 // the sequence asked for; zero: no check is under way
	until  Time
	hashes map[partition.NodeID]uint64
}

// checkHashes begins a check, or ends one that waits no longer.
func (r *replica) checkHashes() {
	c, every, now := &r.check, r.g.cfg.Timings.HashCheck, r.g.now
	switch {
	case c.next == 0: // spread over the period, so that a node's checks do not come together
		c.next = now.Add(every / 64 * time.Duration(1+r.id%64))
	case c.at != 0:
		if now >= c.until || r.allHashes() {
			r.judgeHashes()
		}
	case now >= c.next && r.log.last().Sequence > 0 && len(r.conf.Replicas) > 1:
		*c = hashCheck{
			next: now.Add(every), at: r.log.last().Sequence, until: now.Add(hashPatience),
			hashes: map[partition.NodeID]uint64{},
		}
		for _, m := range r.members {
			if m.inSync {
				r.send(m.node, Message{Kind: HashCheck, Last: r.log.last()})
			}
		}
		r.hashReached()
	}
}

// hashWanted is the sequence at which the hash of the state is asked for; zero:
// none is.
func (r *replica) hashWanted() uint64 {
	if r.role == Secondary {
		return r.hashAt.Sequence
	}
	return r.check.at
}

// hashReached answers, or notes, once exactly that much is applied.
func (r *replica) hashReached() {
	at := r.hashWanted()
	if at == 0 || r.applied != at || r.void {
		return
	}
	hash := r.state.Hash()
	if r.role != Secondary {
		r.check.hashes[r.self()] = hash
		return
	}
	r.send(r.conf.Primary, Message{Kind: HashReply, Last: r.hashAt, Hash: hash})
	r.hashAt = entry.Position{}
}

// onHashCheck notes what the primary wants to know. What has been applied
// beyond it already is not known any more: that check goes without this node.
func (r *replica) onHashCheck(from Peer, m *Message) {
	if !r.follows(from) || r.role != Secondary || r.state == nil {
		return
	}
	r.hashAt = m.Last
	r.hashReached()
}

func (r *replica) onHashReply(from Peer, m *Message) {
	if sender := r.heardFrom(from); sender == nil || !sender.inSync || r.check.at == 0 || m.Last.Sequence != r.check.at {
		return
	}
	r.check.hashes[from.Node] = m.Hash
}

// forgetHashes drops what came in the check under way from replicas that were not in
// sync all the time: they may have another copy by now.
func (r *replica) forgetHashes(old *partition.Configuration) {
	for node := range r.check.hashes {
		if !old.InSync(node) || !r.conf.InSync(node) {
			delete(r.check.hashes, node)
		}
	}
}

func (r *replica) allHashes() bool {
	return !slices.ContainsFunc(r.conf.Replicas, func(c partition.Replica) bool {
		_, ok := r.check.hashes[c.Node]
		return !ok
	})
}

// judgeHashes ends a check. Who stands against a majority of all in sync is
// expelled, the primary too, one at a time, and not below min-in-sync: too few
// copies are worse than one that differs and is known to.
func (r *replica) judgeHashes() {
	c := r.check
	r.check.at, r.check.hashes = 0, nil
	agree := map[uint64]int{}
	most := uint64(0)
	for _, node := range r.conf.Replicas {
		if hash, ok := c.hashes[node.Node]; ok {
			if agree[hash]++; agree[hash] > agree[most] {
				most = hash
			}
		}
	}
	found := Finding{Partition: r.id, Sequence: c.at, Compared: len(c.hashes)}
	switch {
	case len(c.hashes) < 2:
		return
	case len(agree) == 1:
		found.Kind = HashesEqual
		r.find(found)
		return
	}
	found.Kind = HashesDiffer
	if 2*agree[most] > len(r.conf.Replicas) && len(r.conf.Replicas)-1 >= max(2, r.g.cfg.MinInSync) && r.change == nil {
		for _, node := range r.conf.Replicas {
			if hash, ok := c.hashes[node.Node]; ok && hash != most {
				found.Expels = node.Node
				break
			}
		}
	}
	r.find(found)
	switch found.Expels {
	case "":
	case r.self():
		// It serves on until another does.
		r.corrupt = fmt.Sprintf("the rolling hash of its entries up to %d is not that of the other replicas", c.at)
		r.find(Finding{Kind: Corrupt, Partition: r.id, Sequence: c.at, Reason: r.corrupt})
	default:
		r.send(found.Expels, Message{Kind: Expel, Last: entry.Position{Sequence: c.at, Epoch: r.conf.Epoch}})
	}
}

// onExpel makes this copy void: its hash is not that of the others. It answers
// no read and acknowledges nothing from now on.
func (r *replica) onExpel(from Peer, m *Message) {
	if !r.follows(from) || r.role != Secondary || r.void {
		return
	}
	r.spoiled(m.Last.Sequence, fmt.Sprintf("the rolling hash of its entries up to %d is not that of the other replicas", m.Last.Sequence))
}
