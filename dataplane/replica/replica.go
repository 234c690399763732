package replica

import (
	"sort"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Role is what a replica does for its partition.
type Role uint8

const (
	// Idle: the map does not list this node.
	Idle Role = iota
	// Secondary: in sync, follows the primary.
	Secondary
	// Learner: follows the primary, counts for nothing.
	Learner
	// Waiting: made primary by the map; promises to an earlier one still run (L4, L5).
	Waiting
	// Comparing: asks the others for the ends of their logs (T1).
	Comparing
	// Committing: has its marker in the log, not yet committed (T3).
	Committing
	// Serving: the marker is committed.
	Serving
)

var roleNames = [...]string{"idle", "secondary", "learner", "waiting", "comparing", "committing", "serving"}

// String returns the role's name in lower case.
func (r Role) String() string { return roleNames[r] }

// replica is one node's part in one partition.
type replica struct {
	g       *Group
	id      partition.ID
	conf    *partition.Configuration // adopted; nil before the first
	lineage uint32
	role    Role
	dirty   bool
	view    *View

	// What is on disk, or on its way there.
	adopted        partition.Epoch          // highest epoch handed to the log
	adoptedConf    *partition.Configuration // of that epoch
	adoptedDurable partition.Epoch
	log            window
	logged         loggedClock
	durable        uint64 // the log up to here is on disk
	state          State
	committed      uint64
	applied        uint64
	flushed        uint64
	void           bool   // the copy is of no use: only a snapshot helps
	corrupt        string // why it does not hold what it should; empty where it does, as far as is known
	replacing      bool   // a snapshot is about to take its place
	// kept is up to where entries agreed with a primary when they came: they
	// are, or will be, acknowledged, and primaries may count on them.
	kept uint64

	promises     []promise
	release      release
	grants       map[partition.NodeID]given
	unknownUntil Time // when grants may last that this node cannot know of (L6); outlives the office, as grants do

	unapplied *Unapplied // of log beyond applied, for readers

	follower
	primary
}

// follower is the state of a secondary or learner.
type follower struct {
	agreed uint64 // the log up to here is the primary's, as compared in this epoch
	heard  uint64 // what the primary has committed, as heard in this epoch
	owed   owed
	owedAt Time           // since when
	acked  bool           // since the primary last asked where the logs agree
	hashAt entry.Position // the primary asks for the state's hash there
	// grantUntil is when the read grant of this epoch's primary runs out (L6).
	grantUntil Time
}

// primary is the state of a primary, from Waiting on.
type primary struct {
	since  Time // the take-over began, or the map named this node
	term   Time // leases from beacons sent before it do not count
	marker uint64
	// barred is until when read grants keep this primary from committing (C3).
	barred   Time
	heldBack bool      // a commit waits for that
	starved  bool      // a learner waits for Group.Allow
	members  []*member // everybody else that the map lists, sorted by node
	change   *change
	check    hashCheck
	removals map[partition.NodeID]removals
	heir     partition.NodeID // is to be primary, as the map's move says; "" if nobody
	leaver   partition.NodeID // is to leave the in-sync set, as the map's move says; "" if nobody
	recalls  bool             // grants are taken back, for a learner to be added
	moves    partition.NodeID // has moved away: it is not to be added again; "" if nobody
	comer    partition.NodeID // a learner that the map's move brings; "" if there is none
	fetching partition.NodeID
	fetched  Time

	prepared map[string]*entry.Entry          // newest entry beyond committed, by key
	requests map[entry.RequestID]*entry.Entry // entries beyond committed, by request
	keyed    map[entry.IdempotencyID]*entry.Entry
	waiters  []waiter // ordered by sequence
	// leaseless are verdicts whose entries are committed, and that wait for the
	// lease (W5).
	leaseless []waiter
	indexed   uint64      // entries up to there are in no index
	queue     []Operation // wait for the primary to be ready
}

// promise is given to a primary's process: not to take the partition over from
// anybody before it has run out (L2).
type promise struct {
	to    Peer
	until Time
}

func (r *replica) self() partition.NodeID { return r.g.cfg.Self.Node }

// isPrimary reports whether the take-over has begun, or is done.
func (r *replica) isPrimary() bool { return r.role >= Comparing }

// mark asks for flush at the next Drain.
func (r *replica) mark() {
	if !r.dirty {
		r.dirty = true
		r.g.dirty = append(r.g.dirty, r)
	}
}

// adopt makes a newer configuration this replica's own (W4). The adoption is on
// its way to the disk when it returns; what acts in the new epoch waits for it.
func (r *replica) adopt(c *partition.Configuration) {
	if r.conf != nil && c.Epoch <= r.conf.Epoch || c.Epoch < r.adopted || r.g.sealed != 0 {
		return // where the map is behind the disk, the operator is waited for
	}
	old := r.conf
	c = c.Clone() // it outlives the map by far
	r.conf = c
	r.dropVerdicts()
	r.follower = follower{}
	r.change = nil // the map shows a higher epoch: it is in flight no more (C1)
	listed := c.InSync(r.self()) || c.IsLearner(r.self())
	if listed {
		r.openState()
		r.adoptLineage()
		if c.Epoch > r.adopted {
			r.adopted, r.adoptedConf = c.Epoch, r.conf
			r.writeAdoption()
		}
	}
	switch {
	case c.Primary == r.self() && c.InSync(r.self()):
		r.release = release{}
		switch {
		case r.isPrimary() && c.Epoch == old.Epoch+1:
			r.goOn(old)
		case r.isPrimary():
			// In an epoch that this replica did not see another may have been
			// primary, and others may have dropped what they acknowledged here.
			r.stepDown()
			r.becomeWaiting(old)
		case r.role != Waiting:
			r.becomeWaiting(old)
		case !r.succeeds(old):
			r.unknownUntil = r.g.now.Add(r.g.cfg.Timings.Promise)
		}
	default:
		wasPrimary := r.isPrimary()
		if wasPrimary || r.role == Waiting {
			r.stepDown()
		}
		switch {
		case c.InSync(r.self()):
			r.role = Secondary
		case c.IsLearner(r.self()):
			r.role = Learner
		default:
			r.role = Idle
		}
		if wasPrimary || r.release.owed {
			r.owe()
		}
	}
	r.publish()
	r.retryQueue()
	r.mark()
}

// writeAdoption hands the highest epoch adopted to the log, with its
// configuration: where the coordinators lose theirs, it is what they go on from.
func (r *replica) writeAdoption() {
	r.g.write(r, entry.Position{}, r.adopted,
		entry.Record{Partition: r.id, Lineage: r.lineage, Adopted: r.adopted, Configuration: r.adoptedConf})
}

func (r *replica) openState() {
	if r.state == nil {
		r.lineage = r.conf.Lineage
		r.state = r.g.cfg.Open(r.id, r.lineage)
	}
}

// adoptLineage handles an unsafe recovery: the copy that was chosen keeps its
// data under the new lineage, all others begin again from a snapshot. Until
// they have one their lineage, on disk too, stays that of their data, so that a
// restart does not make them good.
func (r *replica) adoptLineage() {
	switch {
	case r.lineage == r.conf.Lineage:
	case r.conf.InSync(r.self()):
		r.lineage, r.void, r.corrupt = r.conf.Lineage, false, ""
	default:
		r.void = true
	}
}

// stepDown ends a primary's office: what it logged has an unknown fate, what it
// did not log is somebody else's.
func (r *replica) stepDown() {
	queue := r.queue
	for _, w := range r.waiters {
		r.answer(Answer{Tag: w.tag, Outcome: Unknown})
	}
	r.primary = primary{queue: queue, removals: r.removals}
}

// synced is told that this replica's records up to these are on disk.
func (r *replica) synced(last entry.Position, adopted partition.Epoch) {
	if adopted > r.adoptedDurable {
		r.adoptedDurable = adopted
		// Only now may it claim the partition in this epoch.
		r.g.beacons.due = r.g.beacons.due || r.isPrimary()
	}
	// Entries that were replaced meanwhile are not the log's any more.
	if last.Sequence > r.durable && r.log.has(last) {
		r.durable = last.Sequence
	}
	switch r.role {
	case Secondary, Learner:
		r.oweAck(ackNow)
		r.applyFollowed()
	case Waiting:
		r.tryTakeOver()
	case Comparing:
		r.compare()
	case Committing, Serving:
		r.advance()
	}
	r.mark()
}

// appendEntry adds an entry to the log in memory and hands it to the disk.
func (r *replica) appendEntry(e *entry.Entry) {
	r.logged.see(e.Logged, r.g.now)
	r.unapplied.add(e)
	r.log.append(e)
	r.g.write(r, e.Position, 0, entry.Record{Partition: r.id, Lineage: r.lineage, Entry: e})
}

// replaceFrom drops the log's entries from sequence on; the entry that comes
// next replaces them on disk.
func (r *replica) replaceFrom(sequence uint64) {
	r.uncount(max(sequence, r.applied+1))
	r.logged = loggedClock{at: r.g.now} // the next entry says: those dropped may have been ahead of it
	r.log.truncate(sequence - 1)
	r.durable = min(r.durable, sequence-1)
	r.kept = min(r.kept, sequence-1)
}

// applyTo applies committed entries up to sequence.
func (r *replica) applyTo(sequence uint64) {
	r.committed = max(r.committed, sequence)
	if at := r.hashWanted(); r.applied < at && at < r.committed {
		r.apply(at) // the hash there is asked for
	}
	r.apply(r.committed)
}

func (r *replica) apply(sequence uint64) {
	if sequence <= r.applied {
		return
	}
	entries := r.log.between(r.applied, sequence)
	r.state.Apply(entries)
	for _, e := range entries {
		r.unapplied.remove(e) // only now that it is readable
	}
	r.applied = sequence
	r.hashReached()
}

// uncount takes the log's entries from sequence on, none of them applied, out of
// what readers take for dirty.
func (r *replica) uncount(sequence uint64) {
	for s := sequence; ; s++ {
		e := r.log.at(s)
		if e == nil {
			return
		}
		r.unapplied.remove(e)
	}
}

// trim drops flushed entries from memory, but for what the retention allows
// and learners in progress need (K1).
func (r *replica) trim(flushed uint64) {
	r.flushed = max(r.flushed, min(flushed, r.applied))
	share := r.retention()
	upTo := r.flushed
	for _, m := range r.members {
		if hold, ok := m.hold(r.g.now); ok {
			upTo = min(upTo, hold)
		}
	}
	base, last := r.log.base.Sequence, r.log.last().Sequence
	if upTo <= base || r.log.bytes(base, last) <= share {
		return
	}
	r.log.trim(base + uint64(sort.Search(int(upTo-base), func(n int) bool {
		return r.log.bytes(base+uint64(n), last) <= share
	})))
}

// retention is how many bytes of the log stay in memory, flushed or not. While a
// replica is away it is more: what is written meanwhile is what that one will lack.
func (r *replica) retention() int {
	all := r.g.cfg.LogRetention
	if r.conf != nil && len(r.conf.Learners)+len(r.conf.Eligible) > 0 {
		all = r.g.cfg.AwayRetention
	}
	return all / max(1, len(r.g.order))
}

// publish lets readers outside the executor see what this replica may answer.
func (r *replica) publish() {
	v := View{Lineage: r.lineage, Unapplied: r.unapplied}
	if r.conf != nil {
		v.Epoch = r.conf.Epoch
	}
	if r.role == Serving {
		v.Serving = true
		v.LeaseUntil, v.Alone = r.lease()
	}
	if r.role == Secondary {
		v.GrantUntil = r.grantUntil
	}
	if r.view == nil || *r.view != v {
		r.view = &v
		r.g.cfg.Publish(r.id, r.view)
	}
}

func (r *replica) answer(a Answer) {
	a.Partition, a.Lineage = r.id, r.lineage
	if r.conf != nil {
		a.Epoch = r.conf.Epoch
	}
	r.g.out.Answers = append(r.g.out.Answers, a)
}

func (r *replica) send(to partition.NodeID, m Message) {
	m.Partition = r.id
	if m.Epoch == 0 {
		m.Epoch = r.conf.Epoch
	}
	r.g.send(to, m)
}
