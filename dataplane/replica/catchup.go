package replica

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// orderSnapshot asks the driver to stream the state to a learner whose log ends
// before this one begins (K1). A replica in sync gets none: it is removed first,
// for what it does not acknowledge. One whose last snapshot failed gets the next
// after a pause, and is asked meanwhile where it stands: it may have the snapshot
// although its sender did not hear so.
func (r *replica) orderSnapshot(m *member) {
	if m.inSync || m.phase == snapshotting || r.role < Committing {
		return
	}
	if m.failed > 0 && r.g.now.Sub(m.failedAt) < r.orderPause(m) {
		m.phase, m.match, m.sent = unknown, 0, 0
		return
	}
	m.phase = snapshotting
	m.match = 0
	m.streams = false
	r.g.orders++ // never an ID twice in a boot: a member may be made anew while its stream is under way
	m.snapshots = r.g.orders
	r.g.out.Snapshots = append(r.g.out.Snapshots, SnapshotOrder{
		Partition: r.id, To: m.node, Epoch: r.conf.Epoch, ID: m.snapshots,
	})
}

// SnapshotBegins reports whether an order still stands; its stream begins then.
// What comes after it is kept for the learner from now on, and no sooner: orders
// may wait for one another, and what all of them kept would soon be all the memory
// that there is.
func (g *Group) SnapshotBegins(now Time, order SnapshotOrder) bool {
	g.advanceClock(now)
	r := g.replicas[order.Partition]
	if r == nil || !r.isPrimary() {
		return false
	}
	m := r.member(order.To)
	if m == nil || m.phase != snapshotting || m.snapshots != order.ID {
		return false
	}
	m.streams, m.holdAt = true, r.applied
	return true
}

// snapshotPause is the longest pause after a snapshot that failed: what cannot be
// sent, for its file is damaged and nobody else has it in sync, fails again each time.
// urgentPause is the longest while nothing commits for want of replicas, or of this one.
const (
	snapshotPause = 30 * time.Second
	urgentPause   = 2 * time.Second
)

// orderPause is how long after a failure the member gets another order: longer each
// time, until its connection or its process is another, or it makes progress.
func (r *replica) orderPause(m *member) time.Duration {
	longest := snapshotPause
	if r.inBoth() < r.g.cfg.MinInSync || r.counts(m) {
		longest = urgentPause
	}
	return min(r.g.cfg.Timings.Resend<<min(m.failed-1, 10), longest)
}

// SnapshotSent says that the order is done, or failed. Either way the learner
// is asked where it stands.
func (g *Group) SnapshotSent(now Time, order SnapshotOrder, err error) {
	g.advanceClock(now)
	r := g.replicas[order.Partition]
	if r == nil || !r.isPrimary() {
		return
	}
	if m := r.member(order.To); m != nil && m.phase == snapshotting && m.snapshots == order.ID {
		m.phase = unknown
		if m.streams {
			m.holdUntil = now.Add(learnerIdle)
		}
		m.probeAt = g.now // the next probe comes after a pause, so that a failure is not repeated at once
		if m.failed++; err == nil {
			m.failed = 0
		}
		m.failedAt = g.now
	}
}

// WantsSnapshot reports whether a learner here has use for a snapshot. A copy
// that the map counts on, in sync or eligible, is never replaced (C5), and no
// entry that a primary may count on.
func (g *Group) WantsSnapshot(meta SnapshotMeta) bool {
	r := g.replicas[meta.Partition]
	if r == nil || r.conf == nil || r.role != Learner || r.replacing || meta.Lineage != r.conf.Lineage {
		return false
	}
	if _, ok := partition.Find(r.conf.Eligible, r.self()); ok && !r.void {
		return false
	}
	return r.void || meta.Applied.Sequence > max(r.applied, r.kept)
}

// BeginsSnapshot reports the same. If so the copy on disk may be replaced from
// now on: until SnapshotInstalled or SnapshotKept the replica hears no messages
// and takes nothing over, for what it wrote would go with the old copy.
func (g *Group) BeginsSnapshot(meta SnapshotMeta) bool {
	if !g.WantsSnapshot(meta) {
		return false
	}
	g.replicas[meta.Partition].replacing = true
	return true
}

// SnapshotKept says that the old copy stays after all.
func (g *Group) SnapshotKept(id partition.ID) {
	if r := g.replicas[id]; r != nil {
		r.replacing = false
	}
}

// SnapshotInstalled says that the snapshot is whole, synced, and in the place
// of the old copy, as BeginsSnapshot allowed. The map may have a new lineage
// since then, in which this copy is void, or the one that was chosen.
func (g *Group) SnapshotInstalled(now Time, meta SnapshotMeta, state State) {
	g.advanceClock(now)
	r := g.replica(meta.Partition)
	at := meta.Applied.Sequence
	r.state, r.lineage = state, meta.Lineage
	r.void, r.corrupt, r.replacing = false, "", false
	r.uncount(r.applied + 1)
	r.log.reset(meta.Applied)
	r.logged = loggedClock{last: meta.Logged, at: g.now} // what the old copy had may have been ahead
	r.durable, r.committed, r.applied, r.flushed, r.kept = at, at, at, at, at
	r.follower = follower{}
	// What the old copy wrote last may be synced only now.
	g.unsynced = slices.DeleteFunc(g.unsynced, func(u unsynced) bool { return u.replica == r && u.adopted == 0 })
	if r.conf != nil {
		r.adoptLineage()
		// An epoch adopted meanwhile is on disk with the lineage of the old copy.
		r.writeAdoption()
	}
	r.view = nil // readers have none with the new state
	r.publish()
	r.mark()
}

// caughtUp reports whether a learner has on disk, in this epoch and session,
// everything committed and the marker (K2).
func (r *replica) caughtUp(m *member) bool {
	return m.phase == following && m.told && m.match >= r.committed && m.match >= r.marker
}

// Progress is how far a learner is.
type Progress struct {
	Node      partition.NodeID
	Acked     uint64 // on its disk, up to this sequence
	Last      uint64 // the end of the primary's log
	Streaming bool   // a snapshot is under way
}

func (r *replica) progress() []Progress {
	var out []Progress
	for _, m := range r.members {
		if !m.inSync {
			out = append(out, Progress{Node: m.node, Acked: m.match, Last: r.log.last().Sequence, Streaming: m.phase == snapshotting})
		}
	}
	return out
}
