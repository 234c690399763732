package replica

import "github.com/holdfast-io/holdfast/partition"

// Status is what an operator, a metric or an invariant may know of a replica.
type Status struct {
	Partition partition.ID
	Epoch     partition.Epoch
	Lineage   uint32
	Role      Role
	// Serving: the primary answers reads and writes. NotServingSince is when
	// a primary that could and does not began its office; zero otherwise.
	Serving         bool
	NotServingSince Time
	Void            bool   // the copy is of no use; only a snapshot helps
	Corrupt         string // why the copy does not hold what it should; empty where it does, as far as is known
	Base            uint64 // entries up to there are not in memory
	Last            uint64
	Durable         uint64
	Committed       uint64
	Applied         uint64
	Window          int // bytes of the log in memory
	Queued          int // operations that wait for the primary to be ready
	Unacknowledged  int // operations that are judged, and wait for an entry to commit, or for the lease
	Learners        []Progress
}

// Status returns the status of one replica; false if the group has none.
func (g *Group) Status(id partition.ID) (Status, bool) {
	r := g.replicas[id]
	if r == nil || r.conf == nil {
		return Status{}, false
	}
	return r.status(), true
}

// Statuses yields the status of every replica that has a configuration, in
// the order of partitions.
func (g *Group) Statuses(yield func(Status)) {
	for _, r := range g.order {
		if r.conf != nil {
			yield(r.status())
		}
	}
}

// Copies yields which copies there are, in the order of partitions: their
// partition, lineage, and the highest epoch they have adopted, with its
// configuration.
func (g *Group) Copies(yield func(Copy)) {
	for _, r := range g.order {
		if r.state != nil {
			yield(Copy{Partition: r.id, Lineage: r.lineage, Adopted: r.adopted, Configuration: r.adoptedConf})
		}
	}
}

func (r *replica) status() Status {
	s := Status{
		Partition: r.id, Epoch: r.conf.Epoch, Lineage: r.lineage, Role: r.role,
		Serving: r.role == Serving, Void: r.void, Corrupt: r.corrupt,
		Base: r.log.base.Sequence, Last: r.log.last().Sequence, Durable: r.durable,
		Committed: r.committed, Applied: r.applied,
		Window: r.log.bytes(r.log.base.Sequence, r.log.last().Sequence),
		Queued: len(r.queue), Unacknowledged: len(r.waiters) + len(r.leaseless),
	}
	if r.role >= Waiting && r.role < Serving && r.inBoth() >= r.g.cfg.MinInSync {
		s.NotServingSince = r.since
	}
	if r.isPrimary() {
		s.Learners = r.progress()
	}
	return s
}
