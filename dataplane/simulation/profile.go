package simulation

import (
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// profile is what a schedule is like. It is drawn from the seed: each schedule
// leaves some kinds of fault out and has others often (swarm testing), for
// faults in even mixture hide one another.
type profile struct {
	nodes      int
	keys       int
	skew       bool
	loss       float64
	duplicate  float64
	inOrder    bool    // messages of one link arrive in order, as over TCP
	late       float64 // share of messages that take up to seconds
	badBeacon  float64 // share of beacons, and answers, that are lost or take up to seconds
	stormDelay time.Duration
	slowSync   float64
	lateLeader float64
	slowRaft   float64       // share of commands, and of maps, that take up to a second
	lanes      int           // of each node
	batched    float64       // share of inputs that begin a batch
	stuck      float64       // share of forwarded operations whose connection breaks
	badMoment  float64       // share of answers before whose last check the process pauses
	transfer   time.Duration // longest time of half a snapshot
	flushEvery time.Duration
	maxAppend  int // bytes, 0: the group's default
	maxUnacked int
	retention  int // bytes of flushed log kept in memory, 0: the group's default
	allowed    int // bytes of old entries that learners get in a tick, 0: no bound

	callEvery   time.Duration
	patient     bool // all calls have long deadlines
	reads       float64
	conditional float64
	ttls        float64 // share of puts
	keyed       float64 // share of writes with an Idempotency-Key

	unsure float64 // share of admin commands that are lost or late, and of their answers that are lost

	elastic      bool          // partitions are moved: nodes join, are drained, removed, replaced
	replaceAfter time.Duration // a node is away

	wentBack   bool // the coordinators are restored from old backups
	unsafe     bool // in-sync copies may all be lost: the operator recovers what there is
	weights    [faultKinds]float64
	burstEvery time.Duration // between bursts of faults
	burstSize  int
	faultGap   time.Duration // between faults of a burst
}

// awayRetention is how many times as much of a partition's log is kept while a
// replica is away.
const awayRetention = 20

func (w *world) drawProfile() {
	p := &w.profile
	oneOf := func(values ...float64) float64 { return values[w.pick(len(values))] }
	p.nodes = 3 + w.pick(5)
	p.keys = 2 + w.pick(5)
	p.skew = w.chance(0.8)
	p.loss = oneOf(0, 0, 0.005, 0.02, 0.05)
	p.duplicate = oneOf(0, 0.01, 0.05)
	p.inOrder = w.chance(0.5)
	p.late = oneOf(0, 0.005, 0.04)
	p.badBeacon = oneOf(0, 0, 0.1, 0.4)
	p.stormDelay = time.Duration(oneOf(0.1, 0.5, 1.5) * float64(time.Second))
	p.slowSync = oneOf(0, 0.01, 0.05)
	p.slowRaft = 0.02
	p.batched = oneOf(0, 0, 0.1, 0.7)
	p.lanes = int(oneOf(1, 1, 2, 3))
	p.lateLeader = oneOf(0, 0, 0.01)
	p.stuck = oneOf(0, 0.005, 0.03)
	p.badMoment = oneOf(0, 0.002, 0.01)
	p.transfer = time.Duration(oneOf(0.01, 0.1, 1) * float64(time.Second))
	p.flushEvery = time.Duration(oneOf(0.2, 1, 5) * float64(time.Second))
	if w.chance(0.4) { // small enough for a few entries to meet the limits
		p.maxAppend = int(oneOf(300, 1000))
		p.maxUnacked = int(oneOf(1000, 4000))
	}
	p.retention = int(oneOf(0, 1, 1, 3000))
	p.allowed = int(oneOf(0, 0, 0, 20, 400))
	p.callEvery = time.Duration(oneOf(40, 70, 110) * float64(time.Millisecond))
	p.reads = oneOf(0.2, 0.4, 0.6)
	p.conditional = oneOf(0, 0.3, 0.7)
	p.ttls = oneOf(0, 0.1, 0.5)
	p.keyed = oneOf(0, 0.3, 0.8)

	for i := range p.weights {
		p.weights[i] = oneOf(0, 0.3, 1, 1, 3)
	}
	p.weights[allCrash] *= 0.15
	p.weights[outage] *= 0.4
	p.weights[coordinatorLost] *= 0.4
	p.weights[wipe] *= 0.6
	p.weights[usurped] *= 0.6
	p.weights[lostCopy] *= 0.6
	if p.unsafe = w.chance(0.1); !p.unsafe {
		p.weights[disaster] = 0
	}
	p.replaceAfter = time.Duration(oneOf(1, 3, 8) * float64(time.Second))
	p.unsure = oneOf(0, 0.1, 0.4)
	if p.elastic = w.chance(0.6); !p.elastic {
		p.weights[drain], p.weights[remove], p.weights[pauseMoves], p.weights[weigh] = 0, 0, 0, 0
	}
	p.weights[remove] *= 0.3
	p.burstEvery = time.Duration(oneOf(1, 2.5, 5) * float64(time.Second))
	p.burstSize = 1 + w.pick(8)
	p.faultGap = time.Duration(oneOf(0.02, 0.15, 0.6) * float64(time.Second))

	w.settings = partition.Settings{Partitions: 1 + w.pick(4), ReplicationFactor: 3, ExpectNodes: p.nodes}
	switch x := w.random.Float64(); {
	case x < 0.1:
		w.settings.ReplicationFactor = 2
	case x < 0.15:
		w.settings.ReplicationFactor = 1
	case x < 0.25 && p.nodes >= 5:
		w.settings.ReplicationFactor = 5
	}
	rf := w.settings.ReplicationFactor
	w.settings.MinInSync = rf/2 + 1
	switch x := w.random.Float64(); {
	case x < 0.15:
		w.settings.MinInSync = 1
	case x < 0.2:
		w.settings.MinInSync = rf
	}
	if w.chance(0.3) {
		w.settings.ExpectNodes = rf
	}
	if p.wentBack = w.chance(0.15) && !p.unsafe; p.wentBack {
		// What needs the map to be true, or people who know it, is left out.
		for _, kind := range []int{restoredDirectory, movedDirectory, twinned, usurped, divergence, coordinatorLost, remove} {
			p.weights[kind] = 0
		}
		p.weights[restoration] = max(1, p.weights[restoration])
	} else {
		p.weights[restoration] = 0
	}
	w.timings = replica.DefaultTimings()
	w.timings.HashCheck = time.Duration(oneOf(1, 3) * float64(time.Second))
}
