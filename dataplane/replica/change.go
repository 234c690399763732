package replica

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// change is what the primary asked the coordinators for, in flight until the
// map shows a higher epoch: no timeout and no refusal ends it (C1).
type change struct {
	partition.Change
	began, next Time
	adds        bool
	raise       bool // the way out is asked for too: a change that only raises the epoch
}

const (
	addPatience    = time.Second // an added replica silent for that long: the way out is asked for (C1)
	removalsWindow = time.Minute
)

// considerChange asks for what the in-sync set needs: the removal of those that
// do not answer (C3), else the addition of those that have caught up (K2), else
// another primary, or one replica less, where the map's move says so.
func (r *replica) considerChange() {
	if r.adoptedDurable < r.conf.Epoch {
		return
	}
	if r.change != nil {
		r.repeatChange()
		return
	}
	if accused := r.accused(); len(accused) > 0 {
		kept := slices.DeleteFunc(slices.Clone(r.conf.Replicas), func(c partition.Replica) bool {
			return slices.Contains(accused, c.Node)
		})
		r.ask(kept, r.self(), r.accusation(accused), false)
		return
	}
	if r.role == Comparing {
		return
	}
	if ready := r.ready(); len(ready) > 0 {
		grown := slices.Clone(r.conf.Replicas)
		for _, m := range ready {
			grown = append(grown, partition.Replica{Node: m.node, Store: m.store})
		}
		slices.SortFunc(grown, func(a, b partition.Replica) int { return compareNodes(a.Node, b.Node) })
		names := make([]partition.NodeID, len(ready))
		for i, m := range ready {
			names[i] = m.node
		}
		r.ask(grown, r.self(), "has caught up: "+join(names), true)
		return
	}
	switch {
	case r.role != Serving:
	case r.heir != "":
		r.handOver()
	case r.leaver != "":
		r.takeOut()
	}
}

func join(nodes []partition.NodeID) string {
	words := make([]string, len(nodes))
	for i, n := range nodes {
		words[i] = string(n)
	}
	return strings.Join(words, ", ")
}

// ask puts a change in flight. From this moment entries and leases need the
// members of old and new together (C2), so a learner counts in before it is
// asked for (L7).
func (r *replica) ask(replicas []partition.Replica, primary partition.NodeID, reason string, adds bool) {
	var added []partition.Added
	for _, one := range replicas {
		if m := r.member(one.Node); m != nil && !m.inSync {
			added = append(added, partition.Added{Node: m.node, Start: m.session})
		}
	}
	r.change = &change{
		Change: partition.Change{
			Partition: r.id, Epoch: r.conf.Epoch, Primary: primary, Replicas: replicas, Added: added,
			Proposer: r.self(), Reason: reason,
		},
		began: r.g.now, next: r.g.now, adds: adds,
	}
	r.publish()
	r.repeatChange()
}

// repeatChange sends the change again, byte for byte (C1).
func (r *replica) repeatChange() {
	c := r.change
	if r.g.now < c.next {
		return
	}
	c.next = r.g.now.Add(r.g.cfg.Timings.Propose)
	r.g.out.Proposals = append(r.g.out.Proposals, c.Change)
	if c.adds && r.g.now.Sub(c.began) >= addPatience {
		c.raise = true
	}
	if c.raise {
		out := c.Change
		out.Replicas, out.Added, out.Reason = r.conf.Replicas, nil, "gives up adding a replica"
		r.g.out.Proposals = append(r.g.out.Proposals, out)
	}
}

// accused returns the secondaries whose connection is gone, or who left an
// entry or a beacon unanswered for too long (C3).
func (r *replica) accused() []partition.NodeID {
	now, t := r.g.now, &r.g.cfg.Timings
	var out []partition.NodeID
	for _, m := range r.members {
		if !m.inSync {
			continue
		}
		c := r.g.connections[m.node]
		gone := !c.up && now.Sub(max(c.since, r.term)) >= t.ConnectionGone
		slow := now.Sub(m.ackAt) >= t.SlowSecondary && (r.role == Comparing && !m.hasLast || r.role != Comparing && m.match < r.log.last().Sequence)
		deaf := now.Sub(m.answerAt) >= t.SlowSecondary
		if gone || slow || deaf {
			out = append(out, m.node)
		}
	}
	return out
}

// accusation says why replicas are to be removed.
func (r *replica) accusation(accused []partition.NodeID) string {
	reason := "does not answer its primary: " + join(accused)
	if void := slices.DeleteFunc(slices.Clone(accused), func(n partition.NodeID) bool { return !r.member(n).void }); len(void) > 0 {
		reason += "; has a corrupt copy: " + join(void)
	}
	return reason
}

// ready returns the learners that may be added: caught up, with their promise
// to this primary, and no read grant out that was given without it (K2, L7).
func (r *replica) ready() []*member {
	var out []*member
	for _, m := range r.members {
		if r.mayJoin(m) && r.promised(m) {
			out = append(out, m)
		}
	}
	return out
}

// mayJoin reports whether nothing but read grants keeps a learner out.
func (r *replica) mayJoin(m *member) bool {
	return !m.inSync && r.caughtUp(m) && r.g.now < m.lease && r.comesBack(m.node) && r.readmitted(m.node)
}

// promised reports whether every grant that was given without a learner's promise
// has run out, or all grants have come back (L7).
func (r *replica) promised(m *member) bool {
	return r.g.now >= m.unpromised || r.g.now >= max(r.grantsEnd(), r.unknownUntil)
}

// recall takes all grants back where a learner waits for some to run out: that is
// one round, and the learner counts the sooner.
func (r *replica) recall() {
	waits := r.role == Serving && r.change == nil && slices.ContainsFunc(r.members, func(m *member) bool { return r.mayJoin(m) && !r.promised(m) })
	if waits && !r.recalls {
		r.g.beacons.due = true
	}
	r.recalls = waits
}

// removals are those of one boot of a node: who has started again since begins
// anew, for that takes its time too.
type removals struct {
	of Peer
	at []Time
}

func (r *replica) noteRemoval(node partition.NodeID) {
	if r.removals == nil {
		r.removals = map[partition.NodeID]removals{}
	}
	of := r.g.sessions[node]
	if r.removals[node].of != of {
		r.removals[node] = removals{of: of}
	}
	recent := slices.DeleteFunc(r.removals[node].at, func(at Time) bool { return r.g.now.Sub(at) > removalsWindow })
	r.removals[node] = removals{of: of, at: append(recent, r.g.now)}
}

// readmitted reports whether a replica that was removed twice in a minute has
// waited long enough, doubled with each removal (K3). Below min-in-sync nobody
// waits: nothing commits until it is back.
func (r *replica) readmitted(node partition.NodeID) bool {
	removed := r.removals[node].at
	if len(removed) < 2 || r.removals[node].of != r.g.sessions[node] || len(r.conf.Replicas) < r.g.cfg.MinInSync {
		return true
	}
	last := removed[len(removed)-1]
	wait := r.g.cfg.Timings.Readmit << min(len(removed)-2, 3)
	return r.g.now.Sub(last) >= wait
}
