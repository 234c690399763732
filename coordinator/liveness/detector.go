package liveness

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// Detector keeps what one coordinator has heard from the nodes. All times are
// readings of that coordinator's steady clock; they must not go back. It is not
// safe for concurrent use.
type Detector struct {
	config  Config
	started bool
	start   time.Duration // never-heard periods count from here
	anew    time.Duration // what was heard before does not count
	ticked  time.Duration // last Tick
	elected time.Duration // BecameLeader
	agreed  bool          // AllCompared was true since

	boots    map[Process]*boot
	nodes    map[partition.NodeID]*node
	versions []seenVersion
	placed   uint64 // a map version at which partitions were placed; zero if not yet
	unserved map[partition.ID]complaint
	contests map[Process]*contest
	compared map[partition.NodeID]comparison // since elected

	idle idleMark
}

// Process is one start of a node, on one store. Two starts that share a counter,
// as copies of one directory do, are two processes.
type Process struct {
	Node  partition.NodeID
	Store partition.StoreID
	Start partition.Start
}

// ProcessOf returns the process that the map has for a node.
func ProcessOf(n *partition.Node) Process { return Process{n.ID, n.Store, n.Start()} }

// boot is one boot of a node, of which at least one heartbeat came.
type boot struct {
	last   time.Duration // when the last heartbeat came
	report Report
	acted  time.Duration // since when its reports are at or above the first placement's version
	acts   bool
}

// node is a node of the map, as this detector came to know it.
type node struct {
	process  Process
	since    time.Duration // when that boot was first seen in the map; zero where it was there at the start
	ever     bool          // heard from, in any boot, since start
	asked    int           // how often its copies were proposed to be confirmed
	askAgain time.Duration
}

// seenVersion is when a version of the map was first seen.
type seenVersion struct {
	version uint64
	at      time.Duration
}

// complaint is a partition that is not served though it could be.
type complaint struct {
	epoch partition.Epoch
	since time.Duration
}

// keepBoots is how long a boot that the map does not have is remembered: it may
// be about to register.
const keepBoots = 30 * time.Second

// New returns a detector that has heard nothing. Its own start is the time of
// the first call.
func New(c Config) *Detector {
	return &Detector{
		config: c.withDefaults(), boots: map[Process]*boot{}, nodes: map[partition.NodeID]*node{}, unserved: map[partition.ID]complaint{},
		contests: map[Process]*contest{}, compared: map[partition.NodeID]comparison{},
	}
}

// begin notes the detector's own start.
func (d *Detector) begin(now time.Duration) {
	if !d.started {
		d.started, d.start, d.anew, d.ticked = true, now, now, now
	}
}

// BecameLeader begins every period anew: the coordinator may have been cut off
// from the nodes for as long as it was no leader.
func (d *Detector) BecameLeader(now time.Duration) {
	d.begin(now)
	d.restart(now)
	d.elected, d.agreed = now, false
	clear(d.compared)
	for _, n := range d.nodes {
		n.asked, n.askAgain = 0, 0
	}
}

func (d *Detector) restart(now time.Duration) {
	d.anew, d.ticked = now, now
	d.versions = nil
	clear(d.unserved)
	d.idle = idleMark{}
}

// Heartbeat notes what a process says of itself.
func (d *Detector) Heartbeat(now time.Duration, key Process, r Report) {
	d.begin(now)
	b := d.boots[key]
	if b == nil {
		b = &boot{}
		d.boots[key] = b
	}
	b.last, b.report = now, r
	if acts := d.placed != 0 && r.MapVersion >= d.placed; acts != b.acts {
		b.acts, b.acted = acts, now
	}
	if n := d.nodes[key.Node]; n != nil {
		n.ever = true
	}
}

// Report returns what the process said last; false if it was not heard.
func (d *Detector) Report(of Process) (Report, bool) {
	if b := d.boots[of]; b != nil {
		return b.report, true
	}
	return Report{}, false
}

// observe takes the newest map in: its version, its nodes' boots, and whether
// partitions are placed.
func (d *Detector) observe(now time.Duration, m *partition.Map) {
	d.begin(now)
	if n := len(d.versions); n == 0 || d.versions[n-1].version < m.Version {
		d.versions = append(d.versions, seenVersion{m.Version, now})
		d.forgetVersions(now)
	}
	if d.placed == 0 && m.Placed() {
		d.placed = m.Version
	}
	for i := range m.Nodes {
		d.observeNode(now, &m.Nodes[i])
	}
}

func (d *Detector) observeNode(now time.Duration, in *partition.Node) {
	n := d.nodes[in.ID]
	switch {
	case n == nil:
		n = &node{process: ProcessOf(in), since: now}
		d.nodes[in.ID] = n
	case n.process != ProcessOf(in):
		n.process, n.since = ProcessOf(in), now
	default:
		return
	}
	for key := range d.boots {
		if key.Node == in.ID {
			n.ever = true
		}
	}
}

// forgetVersions drops what is too old to matter: whoever is behind all that is
// left is behind for longer than any limit.
func (d *Detector) forgetVersions(now time.Duration) {
	keep := 0
	for keep < len(d.versions)-1 && now-d.versions[keep+1].at > 2*d.config.Suspicion {
		keep++
	}
	if keep > 64 {
		d.versions = append([]seenVersion(nil), d.versions[keep:]...)
	}
}

// behindSince tells since when there is a newer version than that; false if
// there is none.
func (d *Detector) behindSince(version uint64) (time.Duration, bool) {
	for _, v := range d.versions {
		if v.version > version {
			return v.at, true
		}
	}
	return 0, false
}
