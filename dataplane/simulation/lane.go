package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// lane is one group of a process's replicas, of the partitions whose numbers go with
// its own: what one executor owns. All nodes have the same number of lanes.
type lane struct {
	p        *process
	number   int
	group    *replica.Group
	ticket   uint64 // of the last records that it gave the disk
	batching bool   // inputs are being taken, and what they ask for is not done yet
	// answersDue: inputs were taken before a map superseded the process, and their
	// answers were found by then.
	answersDue bool
}

// newLane makes a lane without replicas. Held is the longest promise that earlier
// starts gave.
func (p *process) newLane(number int, held time.Duration) *lane {
	w := p.n.w
	l := &lane{p: p, number: number}
	l.group = replica.NewGroup(replica.Config{
		Self: p.self, MinInSync: w.settings.MinInSync, ReplicationFactor: w.settings.ReplicationFactor,
		Timings: w.timings, MaxAppendBytes: w.profile.maxAppend, MaxUnackedBytes: w.profile.maxUnacked, LogRetention: w.profile.retention, AwayRetention: awayRetention * w.profile.retention,
		Booted: p.now(), HeldPromise: held, Open: p.open, Drop: p.drop, Publish: p.publish,
		Owns: func(id partition.ID) bool { return p.lane(id) == l },
	})
	return l
}

// lane returns the partition's lane.
func (p *process) lane(id partition.ID) *lane { return p.lanes[int(id)%p.n.w.profile.lanes] }

func (p *process) group(id partition.ID) *replica.Group { return p.lane(id).group }

// laneOf is the lane that a message is for: a beacon, or the answer to one, names it
// in the partition's place.
func (p *process) laneOf(m *replica.Message) *lane { return p.lane(m.Partition) }

// fenced reports whether the process is superseded.
func (p *process) fenced() bool {
	return slices.ContainsFunc(p.lanes, func(l *lane) bool { return l.group.Fenced() })
}

func (p *process) statuses(visit func(s replica.Status)) {
	for _, l := range p.lanes {
		l.group.Statuses(visit)
	}
}

// everywhere hands each lane an input.
func (p *process) everywhere(do func(g *replica.Group, now replica.Time)) {
	for _, l := range p.lanes {
		l.input(do)
	}
}

// input hands the group one input, and does what it asks for: at once, or a little
// later, as an executor that takes several inputs before it looks what they ask for.
func (l *lane) input(do func(g *replica.Group, now replica.Time)) {
	p := l.p
	w := p.n.w
	do(l.group, p.now())
	switch {
	case l.batching:
		w.coverage[inputsBatched]++
	case !w.chance(w.profile.batched):
		l.drain()
	default:
		l.batching = true
		d := w.between(0, 2*time.Millisecond)
		if !w.quiet && w.chance(0.02) {
			d = w.between(0, 50*time.Millisecond) // it has much to do
		}
		p.later(d, func() {
			l.batching = false
			l.drain()
		})
	}
}

func (l *lane) drain() {
	p := l.p
	w := p.n.w
	var out replica.Output
	l.group.Drain(&out)
	w.trace.mix(uint64(w.now), uint64(p.n.index), uint64(l.number), uint64(len(out.Records)), uint64(len(out.Messages)), uint64(len(out.Answers)))
	l.checkSilent(&out)
	if len(out.Records) > 0 {
		l.ticket = out.Ticket
		p.n.disk.append(p, out.Records)
	}
	for i := range out.Messages {
		m := &out.Messages[i].Message
		if m.Kind == replica.BeaconMessage || m.Kind == replica.BeaconReply {
			m.Partition = partition.ID(l.number)
		}
		p.send(&out.Messages[i])
	}
	for _, a := range out.Answers {
		p.answer(a)
	}
	if len(out.Proposals) > 0 {
		p.propose(out.Proposals)
	}
	for _, o := range out.Snapshots {
		p.sendSnapshot(o)
	}
	for _, f := range out.Findings {
		p.found(f)
	}
	w.checkServing(p)
}
