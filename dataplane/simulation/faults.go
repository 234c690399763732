package simulation

import (
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// The kinds of fault, as a profile weighs them.
const (
	pause = iota
	longPause
	crash
	powerLoss
	wipe
	cutOneWay
	cutBothWays
	isolate
	split
	reset
	storm
	rate
	slowDisk
	leaderChange
	outage
	coordinatorCrash
	allCrash
	movePrimary
	falseSuspicion
	leave
	lostCopy
	disaster
	shortage
	divergence
	drain
	remove
	pauseMoves
	coordinatorLost
	interruption
	restoredDirectory
	movedDirectory
	twinned
	usurped
	weigh
	restoration
	faultKinds
)

var faultNames = [faultKinds]string{
	"a pause", "a long pause", "a crash", "a power loss", "a wiped disk", "a one-way cut", "a two-way cut", "an isolation", "a split",
	"reset connections", "a delay storm", "a change of the clock's rate", "a slow disk", "a change of leader", "a coordinator outage",
	"a coordinator crash", "a crash of all nodes", "a primary moved without need", "a false suspicion", "a node that leaves", "a lost copy",
	"the loss of all in sync", "shortage of memory or disk", "a copy that differs",
	"a drained node", "a removed node", "moves that pause", "a coordinator's disk that is lost", "a snapshot that is interrupted",
	"a directory that goes back", "a directory that moves", "a copy of a directory that is started elsewhere", "a second process with the node's ID",
	"a node's other weight",
	"coordinators restored from a backup",
}

// victim is any node, with a liking for primaries, above all for those that are
// just taking over.
func (w *world) victim() *node {
	if w.chance(0.2) {
		for _, n := range w.nodes {
			if n.up && n.process.takesOver() {
				return n
			}
		}
	}
	m := w.raft.machine.Map()
	if m.Placed() && w.chance(0.5) {
		if p := m.Partitions[w.pick(len(m.Partitions))].Primary; p != "" {
			return w.home(p)
		}
	}
	return w.nodes[w.pick(w.profile.nodes)]
}

// duration draws how long a fault lasts: short ones often.
func (w *world) duration(longest time.Duration) time.Duration {
	if w.chance(0.5) {
		longest /= 8
	}
	return w.between(longest/20, longest)
}

func (w *world) fault(number int) {
	n := w.victim()
	kind := w.drawFault()
	w.happened = append(w.happened, Fault{Number: number, At: time.Duration(w.now), What: faultNames[kind] + ", perhaps at " + string(n.id)})
	switch kind {
	case pause, longPause:
		d := w.duration(900 * time.Millisecond)
		if kind == longPause {
			d = w.between(w.timings.Lease, 4*time.Second)
		}
		if n.up && !n.paused {
			w.coverage[faultPause+counter(kind-pause)]++
			n.pause(d)
		}
	case crash, powerLoss:
		fall := func() {
			if n.up {
				w.coverage[faultPause+counter(kind-pause)]++
				n.crash(kind == powerLoss)
				w.restart(n, w.duration(5*time.Second))
			}
		}
		if w.chance(0.5) {
			n.doom = fall
			return
		}
		fall()
	case wipe:
		if w.mayWipe(n) {
			w.coverage[faultWipe]++
			n.wipe()
			w.restart(n, w.duration(5*time.Second))
		}
	case cutOneWay, cutBothWays:
		w.cut(n.index, kind == cutBothWays)
	case isolate:
		w.isolate(n)
	case split:
		w.split(n)
	case reset:
		w.reset(n)
	case storm:
		d := w.duration(3 * time.Second)
		w.logf("messages take long for %v", d)
		w.coverage[faultStorm]++
		w.net.storm = w.now.add(d)
	case rate:
		if w.profile.skew {
			w.coverage[faultRate]++
			n.clock.change(w.now, w.drawRate())
		}
	case slowDisk:
		d := w.duration(4 * time.Second)
		w.logf("the disk of %s is slow for %v", n.id, d)
		w.coverage[faultSlowDisk]++
		n.disk.slow = w.now.add(d)
	case shortage:
		w.runShort(n)
	case leaderChange:
		w.coverage[faultLeaderChange]++
		w.leaderless(w.between(50*time.Millisecond, time.Second))
	case outage:
		w.coverage[faultOutage]++
		w.leaderless(w.between(time.Second, 8*time.Second))
	case coordinatorCrash:
		w.crashCoordinator(w.coordinators[w.pick(coordinators)])
	case coordinatorLost:
		w.loseCoordinator()
	case allCrash:
		w.crashAll()
	case disaster:
		w.disaster()
	case lostCopy:
		w.loseCopy(n)
	case divergence:
		w.diverge(n)
	case leave:
		n.leave()
	case drain, remove:
		w.drain(n, kind == remove)
	case pauseMoves:
		w.pauseMoves()
	case restoredDirectory:
		w.restoreDirectory(n)
	case movedDirectory:
		w.moveDirectory(n)
	case twinned:
		w.twin(n)
	case usurped:
		w.usurp(n)
	case weigh:
		w.weigh(n)
	case interruption:
		w.interruptions++
	case restoration:
		w.restoreCoordinators()
	case movePrimary, falseSuspicion:
		w.meddle(kind == falseSuspicion)
	}
}

// takesOver reports whether the node is on its way to serve some partition.
func (p *process) takesOver() (yes bool) {
	p.statuses(func(s replica.Status) { yes = yes || s.Role >= replica.Waiting && s.Role < replica.Serving })
	return yes
}

func (w *world) restart(n *node, d time.Duration) {
	boot := n.boot
	w.after(d, func() {
		if n.boot == boot {
			n.start()
		}
	})
}

// wipe replaces a node's disk by an empty one.
func (n *node) wipe() {
	n.crash(true)
	n.shelf, n.backup = nil, nil
	n.toMapped() // an empty disk must start where the lost one ran
	n.w.wiped = append(n.w.wiped, n.disk)
	n.disk = n.w.newDisk()
	n.w.logf("%s has an empty disk, store %s", n.id, n.disk.store)
}

// mayWipe reports whether everything acknowledged survives the loss of a disk:
// for every partition another disk that the map calls in sync, or eligible, is
// there. One loss at a time: while the coordinators have not noticed one, they
// may take those for dead that still have everything, and keep the lost. A copy
// that differs is as good as lost: it is put aside when that is found.
func (w *world) mayWipe(n *node) bool {
	return !w.back.active && !w.twinMayCome() && w.survives(n, func(*partition.Configuration) bool { return false })
}

// mayMove reports the same of a start at another address, after which copies
// count no more before they are brought up to date; but not where the node is
// alone in sync.
func (w *world) mayMove(n *node) bool {
	return w.survives(n, func(c *partition.Configuration) bool { return c.InSync(n.id) && len(c.Replicas) == 1 })
}

// survives reports whether every partition has another copy with everything that
// was acknowledged, or is excused.
func (w *world) survives(n *node, excused func(c *partition.Configuration) bool) bool {
	m := w.raft.machine.Map()
	if !m.Placed() || w.shelved() {
		return false
	}
	for i := range m.Partitions {
		c := &m.Partitions[i]
		others := 0
		for _, list := range [2][]partition.Replica{c.Replicas, c.Eligible} {
			for _, r := range list {
				other := w.home(r.Node)
				d := &other.disk.copies[i]
				if other.disk.store != r.Store || d.lost || d.marked || d.twist != 0 && other != n || !other.atMapped() || other.givenAway() {
					return false
				}
				if other != n && other.disk.copies[i].exists {
					others++
				}
			}
		}
		// One that is being counted in was in sync as much as any.
		for _, r := range c.Learners {
			if other := w.home(r.Node); other.disk.store != r.Store || other.disk.copies[i].lost {
				return false
			}
		}
		if others == 0 && !excused(c) {
			return false
		}
	}
	return true
}

// loseCopy ends a node's process, and one partition's copy: at the next start
// its file turns out to be damaged, and storage does without it.
func (w *world) loseCopy(n *node) {
	id := w.pick(w.settings.Partitions)
	if !n.up || !n.disk.copies[id].exists || !w.mayWipe(n) {
		return
	}
	w.coverage[faultLostCopy]++
	n.crash(false)
	w.wiped = append(w.wiped, &disk{w: w, copies: slices.Clone(n.disk.copies)})
	n.disk.copies[id] = diskCopy{lost: true}
	w.logf("%s loses its copy of %s", n.id, partition.ID(id))
	w.restart(n, w.duration(3*time.Second))
}

// runShort lets a node lack memory or room on its disk for a while, over
// restarts too.
func (w *world) runShort(n *node) {
	w.coverage[faultShortage]++
	d := w.duration(4 * time.Second)
	n.short = replica.Shortage(1 + w.pick(int(replica.AllShortages)))
	w.logf("%s runs short (%d) for %v", n.id, n.short, d)
	n.tellShortage()
	w.after(d, func() {
		n.short = 0
		n.tellShortage()
	})
}

// tellShortage brings the machine's shortage to the node's replicas.
func (n *node) tellShortage() {
	if n.up {
		n.process.later(0, func() {
			n.process.everywhere(func(g *replica.Group, now replica.Time) { g.SetShortage(now, n.short) })
		})
	}
}

func (w *world) crashCoordinator(c *coordinator) {
	if !c.up {
		return
	}
	w.coverage[faultCoordinatorCrash]++
	w.logf("coordinator %d crashes", c.index-len(w.nodes))
	c.stop()
	w.after(w.duration(6*time.Second), func() {
		if !c.up {
			c.start()
		}
	})
}

// meddle lets the coordinators change a partition without any need: they move
// its primary, or take a replica for dead that is not.
func (w *world) meddle(remove bool) {
	m := w.raft.machine.Map()
	if !m.Placed() || w.back.active {
		return
	}
	c := &m.Partitions[w.pick(len(m.Partitions))]
	if len(c.Replicas) < 2 {
		return
	}
	change := partition.Change{Partition: c.ID, Epoch: c.Epoch, Replicas: slices.Clone(c.Replicas), Reason: "a fault"}
	if at := w.pick(len(c.Replicas)); remove {
		w.coverage[faultFalseSuspicion]++
		change.Replicas = slices.Delete(change.Replicas, at, at+1)
	} else {
		w.coverage[faultMovePrimary]++
	}
	change.Primary = change.Replicas[w.pick(len(change.Replicas))].Node
	if _, stays := partition.Find(change.Replicas, c.Primary); stays && remove {
		change.Primary = c.Primary
	}
	w.raft.propose(state.Changes{Changes: []partition.Change{change}})
}

// crashAll ends every node's process at once, as a power cut does.
func (w *world) crashAll() {
	w.coverage[faultAllCrash]++
	for _, n := range w.nodes {
		if n.up {
			n.crash(true)
			w.restart(n, w.duration(2*time.Second))
		}
	}
}

// heal ends all faults: every process runs, and the network works.
func (w *world) heal() {
	w.logf("all faults end")
	w.quiet, w.quietAt = true, w.now
	w.net.heal()
	for _, c := range w.coordinators {
		if !c.up {
			c.start()
		}
	}
	w.after(300*time.Millisecond, w.election)
	for _, n := range w.nodes {
		n.putBack()
		if n == w.spare() {
			w.settleTwin()
		}
		n.disk.slow, n.short = 0, 0
		n.start()
		n.tellShortage()
		n.resume()
	}
}
