package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/wire"
	"github.com/holdfast-io/holdfast/partition"
)

// node is a machine that runs a data node: it outlives the node's processes.
type node struct {
	w     *world
	index int
	id    partition.NodeID
	clock clock
	disk  *disk

	backup  *disk  // an earlier copy of disk; nil: none was made
	shelf   *disk  // the newest directory, while a copy from before is in its place
	address int    // counts the addresses that it ran at
	usurped uint64 // the boot whose place a second process was given

	short       replica.Shortage
	up          bool
	started     instant // the latest process
	boot        uint64  // counts the processes, over all disks
	paused      bool
	deferred    []func() // what waits for the end of the pause
	twinStopped instant
	stoppedTwin *disk    // of the last twin that was stopped without the node's place; nil: none
	doom        func()   // happens soon after the next write, most likely before its sync
	process     *process // the latest
}

// process is one boot of a data node: all that a crash forgets.
type process struct {
	n      *node
	self   replica.Peer
	lanes  []*lane
	tables []*table        // the state of each partition, as readers see it
	views  []*replica.View // as published
	m      *partition.Map
	links  []link
	newest []uint64 // by node: the newest boot of it that was heard from

	stream     int     // the coordinator that sends the map, or -1
	session    uint64  // of the stream
	wasNamed   bool    // by the map, at some time
	streamed   instant // when the last map sent arrives
	copies     []owned // what it reports when it registers
	accepted   partition.Start
	acceptedIn uint64
	since      []partition.Start
	outgoing   []*outgoing
	incoming   []*incoming
	requests   []*request
	waiting    []*request // for a newer map
	counter    uint64

	over     bool // superseded: a map names another start
	leaving  bool
	released bool // no read grants of its own are out: its heartbeats say that it leaves
}

// owned is a copy that the process found on its disk.
type owned struct {
	partition partition.ID
	epoch     partition.Epoch
	lineage   uint32
	// configuration is that of the epoch.
	configuration *partition.Configuration
}

const tickEvery = 30 * time.Millisecond

func (w *world) newNode(index int) *node {
	return &node{
		w: w, index: index, id: partition.NodeID(fmt.Sprintf("n%d", index+1)),
		clock: w.newClock(), disk: w.newDisk(),
	}
}

// newSpare is the machine that twins run on.
func (w *world) newSpare() *node {
	n := w.newNode(w.profile.nodes)
	n.id = ""
	return n
}

// start boots a process: the log is replayed, then the node registers.
func (n *node) start() {
	if n.up || n.idle() {
		return
	}
	w := n.w
	n.up, n.paused, n.deferred = true, false, nil
	n.boot++
	n.started = w.now
	n.backUp()
	n.disk.starts.next(w.random.Uint64())
	p := &process{
		n: n, self: replica.Peer{Node: n.id, Store: n.disk.store, Start: n.disk.starts.now},
		tables: make([]*table, w.settings.Partitions), views: make([]*replica.View, w.settings.Partitions),
		links: make([]link, len(w.nodes)), newest: make([]uint64, len(w.nodes)), stream: -1,
		accepted: n.disk.starts.accepted, acceptedIn: n.disk.starts.acceptedIn, since: slices.Clone(n.disk.starts.since),
	}
	n.process = p
	held := n.disk.held
	n.disk.held = max(held, w.timings.Promise) // synced before the first promise
	for number := range w.profile.lanes {
		p.lanes = append(p.lanes, p.newLane(number, held))
	}
	for _, c := range n.disk.recover(p) {
		p.tables[c.Partition] = c.State.(*table)
		p.copies = append(p.copies, owned{c.Partition, c.Adopted, c.Lineage, c.Configuration})
		p.group(c.Partition).Load(c)
	}
	for id := range n.disk.copies {
		if n.disk.copies[id].lost {
			p.copies = append(p.copies, owned{partition: partition.ID(id)})
		}
	}
	n.revive()
	w.logf("%s starts, store %s, start %v", n.id, p.self.Store, p.self.Start)
	for _, l := range p.lanes {
		l.group.SetShortage(p.now(), n.short)
		l.drain()
	}
	for to, other := range w.nodes {
		if other.id != n.id && !other.idle() {
			p.dial(to)
		}
	}
	p.later(w.between(0, tickEvery), p.tick)
	p.later(w.between(time.Millisecond, 50*time.Millisecond), p.register)
	p.later(w.between(0, w.profile.flushEvery), p.flushNext)
	p.later(w.between(0, heartbeatEvery), p.heartbeat)
}

// crash ends the process; the disk keeps what it has synced, at least.
func (n *node) crash(powerLoss bool) {
	if !n.up {
		return
	}
	w := n.w
	w.logf("%s crashes", n.id)
	n.up, n.paused, n.deferred = false, false, nil
	n.disk.crash()
	for _, q := range n.process.requests {
		q.lostNode()
	}
	n.putAside()
	w.lostPeer(n, powerLoss)
	w.checkDisks(n)
}

func (n *node) pause(d time.Duration) {
	if !n.up || n.paused {
		return
	}
	n.paused = true
	boot := n.boot
	n.w.logf("%s pauses for %v", n.id, d)
	n.w.after(d, func() {
		if n.boot == boot {
			n.resume()
		}
	})
}

// resume lets what waited happen: in order, or nearly.
func (n *node) resume() {
	if !n.up || !n.paused {
		return
	}
	w := n.w
	n.paused = false
	waited := n.deferred
	n.deferred = nil
	w.logf("%s goes on, %d things waited", n.id, len(waited))
	spread := time.Duration(0)
	if !w.profile.inOrder && w.chance(0.5) {
		spread = 2 * time.Millisecond
	}
	for _, run := range waited {
		n.process.later(w.between(0, spread), run)
	}
}

// later makes run happen in the process after a delay: not if it is dead by
// then, and only after the pause if it is paused.
func (p *process) later(d time.Duration, run func()) { p.n.w.after(d, p.gated(run)) }

func (p *process) gated(run func()) func() {
	n, boot := p.n, p.n.boot
	return func() {
		switch {
		case !n.up || n.boot != boot:
		case n.paused:
			n.deferred = append(n.deferred, run)
		default:
			run()
		}
	}
}

func (p *process) now() replica.Time { return p.n.clock.read(p.n.w.now) }

// send puts a message on the link to its node, if there is one.
func (p *process) send(e *replica.Envelope) {
	w := p.n.w
	to := p.place(e.To)
	m := e.Message
	w.trace.mix(uint64(m.Kind), uint64(to), uint64(m.Epoch), m.Last.Sequence, m.Previous.Sequence, m.Committed)
	if w.trace.text {
		w.logf("%s", describe(p.n.id, e))
	}
	l := p.links[to]
	if !l.up {
		w.coverage[notConnected]++
		return
	}
	w.coverage.message(&m)
	w.checkStorm()
	index := p.n.index
	body := wire.AppendMessage(nil, &m)
	p.posted(&m, func() { w.net.send(index, to, p.arrival(body, l, to)) })
}

// posted puts a message on its way: a beacon, or the answer to one, perhaps late,
// or never.
func (p *process) posted(m *replica.Message, send func()) {
	w := p.n.w
	beacon := m.Kind == replica.BeaconMessage || m.Kind == replica.BeaconReply
	switch {
	case !beacon || w.quiet || !w.chance(w.profile.badBeacon):
		send()
	case w.chance(0.5):
		w.coverage[beaconLost]++
	default:
		w.coverage[beaconLate]++
		w.after(w.between(0, 2*time.Second), send)
	}
}

// arrival hands a message to the process at the other end of the link.
func (p *process) arrival(body []byte, l link, to int) func() {
	w, from, boot, index := p.n.w, p.self, p.n.boot, p.n.index
	other := w.nodes[to]
	return func() {
		if !other.up || other.boot != l.boot {
			return
		}
		q := other.process
		q.later(0, func() {
			if boot < q.newest[index] {
				w.coverage[olderBoot]++
				return
			}
			q.newest[index] = boot
			m := w.message(body) // a repeated message is another value
			q.laneOf(&m).input(func(g *replica.Group, now replica.Time) { g.Message(now, from, &m) })
		})
	}
}

func (p *process) tick() {
	w := p.n.w
	p.everywhere(func(g *replica.Group, now replica.Time) {
		g.Tick(now)
		p.allow(g, now)
	})
	p.later(tickEvery+w.between(0, tickEvery/2), p.tick)
}

// allow lets old entries go to learners, as the throttle says; it is changed now
// and then, and taken away in the end.
func (p *process) allow(g *replica.Group, now replica.Time) {
	w := p.n.w
	wanted := g.Backlog()
	if wanted > 0 {
		w.coverage[learnersThrottled]++
	}
	allowed := w.profile.allowed
	if w.quiet || allowed == 0 || w.chance(0.001) {
		g.Allow(now, -1)
		return
	}
	g.Allow(now, min(allowed, wanted))
}

// open implements replica.Config.Open.
func (p *process) open(id partition.ID, lineage uint32) replica.State {
	p.n.disk.open(id, lineage)
	t := &table{w: p.n.w, owner: p, id: id, lineage: lineage}
	p.tables[id] = t
	return t
}

// drop implements replica.Config.Drop.
func (p *process) drop(id partition.ID) {
	p.n.w.coverage[copiesDropped]++
	p.n.w.logf("%s drops its copy of %s", p.n.id, id)
	if c, placed := p.n.w.raft.machine.Map().Partition(id); placed && !p.n.w.back.active && p.n.names(p.n.w.raft.machine.Map()) && slices.Contains(slices.Concat(c.Replicas, c.Eligible), partition.Replica{Node: p.n.id, Store: p.self.Store}) {
		p.n.w.fail("%s drops its copy of %s, on which the map counts: %s", p.n.id, id, describeConfiguration(c))
	}
	if p.n.disk.copies[id].twist != 0 {
		p.n.w.dropped[id] = true
	}
	p.n.disk.drop(p, id)
	p.tables[id] = nil
}

// publish implements replica.Config.Publish.
func (p *process) publish(id partition.ID, view *replica.View) {
	w := p.n.w
	old := p.views[id]
	p.views[id] = view
	if old != nil && view != nil && view.Epoch < old.Epoch {
		w.fail("%s publishes epoch %d of %s after %d", p.n.id, view.Epoch, id, old.Epoch)
	}
	if view != nil && view.Serving && (old == nil || !old.Serving) {
		w.coverage[tookOver]++
		w.logf("%s serves %s in epoch %d", p.n.id, id, view.Epoch)
	}
	w.truth[id].view(p, view)
}

// flushNext writes a partition's table to its file, as storage does to be able
// to cut its log.
func (p *process) flushNext() {
	w := p.n.w
	p.later(w.between(w.profile.flushEvery/4, w.profile.flushEvery), p.flushNext)
	id := partition.ID(w.pick(w.settings.Partitions))
	t := p.tables[id]
	if t == nil || t.applied.Sequence == 0 {
		return
	}
	image, disk := t.clone(nil), p.n.disk
	n, boot := p.n, p.n.boot
	w.after(w.between(time.Millisecond, 50*time.Millisecond), func() {
		c := &disk.copies[id]
		if !n.up || n.boot != boot || p.tables[id] != t || c.lineage != t.lineage || c.file.applied.Sequence > image.applied.Sequence {
			return // a snapshot has taken the file's place meanwhile, or its copy's
		}
		w.coverage[flushed]++
		c.setFile(image, uint64(w.pick(4)))
		p.later(0, func() { p.group(id).Trim(id, image.applied.Sequence) })
	})
}
