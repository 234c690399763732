package simulation

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// raft is the coordinators' group as an ordered log: what is proposed to a
// leader is applied once, in order, or lost; while there is no leader nothing
// is. What a leader had proposed when it fell may be applied by the next. Who is a
// member, and has which part of the log, is in members.go.
type raft struct {
	w       *world
	machine *state.Machine
	index   uint64
	leader  int // index of a coordinator, or -1
	term    uint64
	last    instant         // when the last command proposed is applied
	carried []state.Command // of an earlier leader, for the next to apply
	// underWay counts the registrations of each node that may still be applied.
	underWay map[partition.NodeID]int
}

func newRaft(w *world) *raft {
	return &raft{w: w, machine: state.New(), leader: -1, underWay: map[partition.NodeID]int{}}
}

// propose hands a command to the leader; whether it is applied shows in the map.
func (r *raft) propose(c state.Command) {
	if r.leader < 0 {
		r.w.coverage[noLeader]++
		return
	}
	r.proposeFor(c, func(*state.Result) {})
}

// proposeFor is propose for somebody who waits, with a leader there: for the result,
// or nil where the leader falls before it knows. The command may then be lost, or
// applied by the next leader.
func (r *raft) proposeFor(c state.Command, answer func(*state.Result)) {
	if !r.w.coordinators[r.leader].mayPropose(c) {
		r.w.coverage[notCompared]++
		answer(nil)
		return
	}
	term, history := r.term, r.w.back.history
	d := r.w.between(time.Millisecond, 12*time.Millisecond)
	if !r.w.quiet && r.w.chance(r.w.profile.slowRaft) {
		d += r.w.between(0, 600*time.Millisecond)
	}
	r.last = max(r.last, r.w.now.add(d))
	r.note(c, 1)
	r.w.at(r.last, func() {
		switch {
		case history != r.w.back.history:
			r.w.coverage[commandLost]++
		case term == r.term && r.leader >= 0:
			answer(r.apply(c))
			return
		case r.w.chance(0.5):
			r.w.coverage[commandLost]++
			r.note(c, -1)
		case r.leader < 0:
			r.carried = append(r.carried, c)
		default:
			r.apply(c)
		}
		answer(nil)
	})
}

// note counts a registration that is under way, or is not any more.
func (r *raft) note(c state.Command, by int) {
	if register, is := c.(state.Register); is {
		r.underWay[register.Node.ID] += by
	}
}

// apply is one entry of the log, as every coordinator applies it. It returns nil
// where the entry is not committed now.
func (r *raft) apply(c state.Command) *state.Result {
	w := r.w
	if !r.quorate() {
		r.carried = append(r.carried, c) // whoever leads next may have it
		w.leaderless(w.between(300*time.Millisecond, 1500*time.Millisecond))
		return nil
	}
	r.note(c, -1)
	r.index++
	r.store()
	encoded, err := state.Encode(c)
	if err != nil {
		w.fail("the coordinators cannot encode %T: %v", c, err)
		return nil
	}
	if c, err = state.Decode(encoded); err != nil {
		w.fail("the coordinators cannot decode %T: %v", c, err)
		return nil
	}
	before := r.machine.Map()
	if n, is := c.(state.NoteRestored); is {
		n.Term = r.term
		c = n
	}
	result := r.machine.Apply(r.index, c)
	after := r.machine.Map()
	if w.trace.text {
		w.logf("coordinators apply %T %s", c, describeResult(result))
	}
	w.coverage.command(c, result)
	w.coverage.moves(c, before, after, result)
	w.checkCommand(c, before, after)
	w.checkMarks(c, before, after)
	if w.back.history == 0 && r.machine.Behind().Since != 0 {
		w.fail("the coordinators take their map for an old one after %T, and were never restored", c)
	}
	if after == before {
		return &result
	}
	_, recovers := c.(state.RecoverMap)
	if recovers {
		w.recoveredMap(after)
	}
	w.trace.mix(uint64(w.now), after.Version)
	if err := after.Validate(); err != nil {
		w.fail("the map is not valid after %T: %v", c, err)
	}
	for i := range after.Partitions {
		now := &after.Partitions[i]
		if i >= len(before.Partitions) {
			continue
		}
		old := &before.Partitions[i]
		if now.Epoch == old.Epoch {
			continue
		}
		w.compare(old, now, recovers)
	}
	for _, coordinator := range w.coordinators {
		coordinator.follow(after)
	}
	return &result
}

// compare checks a partition's change, and counts what kind it is.
func (w *world) compare(old, now *partition.Configuration, recovers bool) {
	if w.trace.text {
		w.logf("map: %s", describeConfiguration(now))
	}
	switch {
	case now.Epoch < old.Epoch:
		w.fail("the map's epoch of %s goes back from %d to %d", now.ID, old.Epoch, now.Epoch)
	case now.Epoch > old.Epoch+1 && !recovers:
		w.fail("one command takes %s from epoch %d to %d", now.ID, old.Epoch, now.Epoch)
	case now.Lineage != old.Lineage && !w.profile.unsafe && !recovers:
		w.fail("%s has another lineage", now.ID)
	case now.Lineage != old.Lineage:
		w.coverage[recoveredUnsafely]++
		w.truth[now.ID].restart(old, now)
	}
	switch {
	case now.Primary != old.Primary:
		w.coverage[primaryMoved]++
	case len(now.Replicas) < len(old.Replicas):
		w.coverage[replicaRemoved]++
	case len(now.Replicas) > len(old.Replicas):
		w.coverage[replicaAdded]++
	default:
		w.coverage[epochRaised]++
	}
	if len(now.Eligible) > 0 {
		w.coverage[hadEligible]++
	}
	if len(now.Replicas) == 0 {
		w.coverage[hadNoReplica]++
	}
	w.noteRemovals(old, now)
	w.truth[now.ID].checkCopies("after a change of the map")
}

// restore replaces the machine by what its snapshot says, as a coordinator that
// starts does.
func (r *raft) restore() {
	m, err := state.Restore(r.machine.Snapshot())
	if err != nil {
		r.w.fail("the coordinators cannot restore their snapshot: %v", err)
		return
	}
	r.machine = m
}

func describeResult(r state.Result) string {
	s := ""
	if r.Err != nil {
		s = r.Err.Error()
	}
	for _, v := range r.Verdicts {
		if v.Err != nil {
			s += "; " + v.Err.Error()
		}
	}
	return s
}

func describeConfiguration(c *partition.Configuration) string {
	return fmt.Sprintf("%s epoch %d primary %q in sync %v learners %v eligible %v unavailable %v", c.ID, c.Epoch, c.Primary,
		partition.Nodes(c.Replicas), partition.Nodes(c.Learners), partition.Nodes(c.Eligible), partition.Nodes(c.Unavailable))
}

// describePartition says what the map has of a partition, and how its replicas
// see it.
func (w *world) describePartition(id partition.ID) string {
	m := w.raft.machine.Map()
	c, ok := m.Partition(id)
	if !ok {
		return "not placed"
	}
	s := describeConfiguration(c)
	for _, n := range w.nodes {
		if !n.up {
			continue
		}
		if status, ok := n.process.group(id).Status(id); ok {
			s += fmt.Sprintf("; %s %s epoch %d void %v log %d to %d on disk %d committed %d queued %d", n.id, status.Role,
				status.Epoch, status.Void, status.Base, status.Last, status.Durable, status.Committed, status.Queued)
		}
	}
	return s
}
