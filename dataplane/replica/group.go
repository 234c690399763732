package replica

import (
	"slices"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Group is the replicas of one node that one executor owns. It is not safe for
// concurrent use: its owner feeds it inputs, each with the time read from the
// node's clock, and drains its output after every batch of them.
type Group struct {
	cfg      Config
	now      Time // of the latest input
	lastTick Time

	current  *partition.Map
	named    bool // the map names this boot: until then the node acts on no epoch (W4)
	wasNamed bool // some map did
	fenced   bool // for good: see Fence
	replicas map[partition.ID]*replica
	order    []*replica // sorted by partition, so that runs replay

	sessions    map[partition.NodeID]Peer // newest boot seen of each node
	connections map[partition.NodeID]connection
	beacons     beacons
	swept       int    // where the next sweep of expired values begins
	sealed      uint64 // nothing is adopted before a map above this version; 0: not sealed
	leaving     bool   // grants are taken back, and no more given (L4)
	shortage    Shortage
	allowance   allowance
	orders      uint64 // of snapshots so far, to anybody: their IDs

	ticket   uint64 // of the last record handed out
	unsynced []unsynced
	dirty    []*replica
	out      Output
}

// connection is what is known of the data link to a node.
type connection struct {
	up    bool
	since Time
}

// unsynced is a run of records of one replica that is not known to be on disk.
type unsynced struct {
	ticket  uint64
	replica *replica
	last    entry.Position  // end of the entries, or zero
	adopted partition.Epoch // or zero
}

// NewGroup makes a group without replicas.
func NewGroup(cfg Config) *Group {
	cfg.setDefaults()
	return &Group{
		cfg:         cfg,
		now:         cfg.Booted,
		lastTick:    cfg.Booted,
		replicas:    map[partition.ID]*replica{},
		sessions:    map[partition.NodeID]Peer{},
		connections: map[partition.NodeID]connection{},
		beacons:     newBeacons(cfg.Self),
	}
}

// Load adds a copy that storage recovered, before the first input.
func (g *Group) Load(c Copy) {
	r := g.replica(c.Partition)
	r.lineage = c.Lineage
	r.adopted, r.adoptedDurable, r.adoptedConf = c.Adopted, c.Adopted, c.Configuration
	r.state = c.State
	r.log.reset(c.Applied)
	r.logged.see(c.Logged, g.cfg.Booted)
	for _, e := range c.Log {
		r.logged.see(e.Logged, g.cfg.Booted)
		r.unapplied.add(e)
		r.log.append(e)
	}
	r.durable = r.log.last().Sequence
	r.kept = r.durable
	r.committed, r.applied = c.Applied.Sequence, c.Applied.Sequence
	r.flushed = c.Applied.Sequence
}

// SetMap gives the group the next map. The driver brings them in order. A map that
// gives this start's place to another fences the group.
func (g *Group) SetMap(now Time, m *partition.Map) {
	g.advanceClock(now)
	if g.fenced {
		return
	}
	if g.supersededBy(m) {
		g.Fence(now)
		return
	}
	if g.sealed != 0 {
		if m.Version <= g.sealed {
			return // it was on its way when the copies were reported
		}
		// The map went back, and with it the starts: those of the history that is
		// gone must not shut out its new ones, whose counters may be lower.
		clear(g.sessions)
	}
	g.current, g.sealed = m, 0
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if s := g.sessions[n.ID]; s.Store != n.Store || s.Start.SupersededBy(n.Start()) {
			g.sessions[n.ID] = Peer{Node: n.ID, Store: n.Store, Start: n.Start()}
		}
		if n.ID == g.cfg.Self.Node {
			// Who was named is not made nobody by a map from before.
			g.named = n.Store == g.cfg.Self.Store &&
				(n.Start() == g.cfg.Self.Start || g.named && n.Incarnation < g.cfg.Self.Start.Incarnation)
		}
	}
	g.wasNamed = g.wasNamed || g.named
	if !g.named {
		return
	}
	for i := range m.Partitions {
		c := &m.Partitions[i]
		if g.cfg.Owns != nil && !g.cfg.Owns(c.ID) {
			continue
		}
		r := g.replicas[c.ID]
		if r == nil && !c.Lists(g.cfg.Self.Node) {
			continue
		}
		if r == nil {
			r = g.replica(c.ID)
		}
		r.adopt(c)
		r.takeMove(m)
		r.tryDrop()
	}
}

// Seal has the replicas adopt nothing before a map above that version: the coordinators went back to an old map, and go on from what Copies says now.
// Maps of the history that is gone may still be on their way, and messages may carry
// what other nodes have adopted of it.
func (g *Group) Seal(version uint64) { g.sealed = max(g.sealed, version) }

// Message handles what another node's replica sent. A message of a start older
// than the newest seen of its node is dropped, and so is one of another start
// with the same counter, or from a store that the map does not name: incarnations
// count the starts on one store, and begin again with the next.
func (g *Group) Message(now Time, from Peer, m *Message) {
	g.advanceClock(now)
	known := g.sessions[from.Node]
	if !g.named || from.Node == g.cfg.Self.Node || from.Store != known.Store || from.Start.SupersededBy(known.Start) {
		return
	}
	g.sessions[from.Node] = from
	switch m.Kind {
	case BeaconMessage:
		if m.Beacon != nil {
			g.onBeacon(from, m.Beacon)
		}
	case BeaconReply:
		if m.Reply != nil {
			g.onBeaconReply(from, m.Reply)
		}
	default:
		if g.takes(m.Partition) {
			if r := g.replica(m.Partition); !r.replacing {
				r.message(from, m)
			}
		}
	}
}

// Operate handles a client's operation. It is answered exactly once, in this
// batch's output or a later one.
func (g *Group) Operate(now Time, op Operation) {
	g.advanceClock(now)
	if g.fenced {
		g.out.Answers = append(g.out.Answers, Answer{Tag: op.Tag, Partition: op.Partition, Outcome: NotPrimary})
		return
	}
	g.replica(op.Partition).operate(op)
}

// Synced says that the records up to ticket are on disk.
func (g *Group) Synced(now Time, ticket uint64) {
	g.advanceClock(now)
	n := 0
	for n < len(g.unsynced) && g.unsynced[n].ticket <= ticket {
		u := g.unsynced[n]
		u.replica.synced(u.last, u.adopted)
		n++
	}
	g.unsynced = slices.Delete(g.unsynced, 0, n)
}

// Connection says that the data link to a node went up or down.
func (g *Group) Connection(now Time, node partition.NodeID, up bool) {
	g.advanceClock(now)
	g.connections[node] = connection{up: up, since: g.now}
	if !up {
		return
	}
	for _, r := range g.order {
		if m := r.member(node); m != nil && r.isPrimary() {
			m.resend(g.now)
			m.failed = 0
			r.mark()
		}
	}
}

// pauseLimit is how late a tick may come before the group takes it that the
// process stood still, and accuses nobody of silence meanwhile.
const pauseLimit = 500 * time.Millisecond

// Tick lets time pass. It is called every 10 to 50 ms.
func (g *Group) Tick(now Time) {
	g.advanceClock(now)
	paused := g.now.Sub(g.lastTick) > pauseLimit
	g.lastTick = g.now
	if g.fenced {
		return
	}
	if paused {
		for node, c := range g.connections {
			c.since = g.now
			g.connections[node] = c
		}
	}
	for _, r := range g.order {
		if paused {
			r.forgive()
		}
		r.tick()
	}
	g.sweep()
	if g.named && g.now >= g.beacons.next {
		g.beacons.due = true
	}
}

// Drain moves out what the inputs since the last call ask for. The slices of
// out are reused.
func (g *Group) Drain(out *Output) {
	if g.fenced {
		g.muzzle()
	}
	for i := 0; i < len(g.dirty); i++ {
		g.dirty[i].dirty = false
		g.dirty[i].flush()
	}
	g.dirty = g.dirty[:0]
	if g.beacons.due {
		g.sendBeacons()
	}
	g.out.Ticket = 0
	if len(g.out.Records) > 0 {
		g.out.Ticket = g.ticket
	}
	*out, g.out = g.out, Output{
		Records: out.Records[:0], Messages: out.Messages[:0], Answers: out.Answers[:0],
		Proposals: out.Proposals[:0], Snapshots: out.Snapshots[:0], Findings: out.Findings[:0],
	}
}

// Trim says that a partition's entries up to sequence are flushed, so that
// recovery does not need them. The group keeps what learners need of them
// within Config.LogRetention, or AwayRetention.
func (g *Group) Trim(id partition.ID, sequence uint64) {
	if r := g.replicas[id]; r != nil {
		r.trim(sequence)
	}
}

// takes reports whether a message about the partition is this group's.
func (g *Group) takes(id partition.ID) bool {
	return int(id) < g.current.Settings.Partitions && (g.cfg.Owns == nil || g.cfg.Owns(id))
}

func (g *Group) advanceClock(now Time) { g.now = max(g.now, now) }

// replica returns the partition's replica, made if it is not there.
func (g *Group) replica(id partition.ID) *replica {
	if r := g.replicas[id]; r != nil {
		return r
	}
	r := &replica{g: g, id: id, unapplied: new(Unapplied), logged: loggedClock{at: g.now}}
	g.replicas[id] = r
	at, _ := slices.BinarySearchFunc(g.order, id, func(r *replica, id partition.ID) int {
		return int(int64(r.id) - int64(id))
	})
	g.order = slices.Insert(g.order, at, r)
	return r
}

// write hands records of one replica to the driver.
func (g *Group) write(r *replica, last entry.Position, adopted partition.Epoch, records ...entry.Record) {
	g.out.Records = append(g.out.Records, records...)
	g.ticket += uint64(len(records))
	g.unsynced = append(g.unsynced, unsynced{ticket: g.ticket, replica: r, last: last, adopted: adopted})
}

func (g *Group) send(to partition.NodeID, m Message) {
	g.out.Messages = append(g.out.Messages, Envelope{To: to, Message: m})
}

func compareNodes(a, b partition.NodeID) int { return strings.Compare(string(a), string(b)) }
