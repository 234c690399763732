package simulation

import (
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// counter names something that a schedule may meet. A schedule that never meets
// it says nothing about it.
type counter int

const (
	faultPause counter = iota
	faultLongPause
	faultCrash
	faultPowerLoss
	faultWipe
	faultCutOneWay
	faultCutBothWays
	faultIsolated
	faultSplit
	faultReset
	faultStorm
	faultRate
	faultSlowDisk
	faultLeaderChange
	faultOutage
	faultCoordinatorCrash
	faultAllCrash
	faultMovePrimary
	faultFalseSuspicion
	faultLeave
	faultLostCopy
	faultShortage
	faultDivergence
	faultInterruption
	faultRestoredDirectory
	faultMovedDirectory
	faultTwin
	faultUsurped
	faultCoordinatorsRestored
	faultHistoryOvertaken
	faultRestoredMarked
	faultDisaster
	mapRecovered
	sent
	sentProbes
	sentFetches
	sentMismatches
	sentRejects
	sentRefusals
	sentReleases
	lost
	lostToCut
	duplicated
	beaconLost
	beaconLate
	olderBoot
	notConnected
	linkBroken
	streamBroken
	lostUnsynced
	flushed
	noLeader
	commandLost
	notCompared
	leaderElected
	suspected
	proposed
	turnedRound
	notJudged
	refused
	startsRefused
	twinsRefused
	twinsAccepted
	twinsStopped
	twinsAcceptedLate
	processesSuperseded
	startsVouched
	leftToUnsafeRecover
	primaryMoved
	replicaRemoved
	replicaAdded
	epochRaised
	hadEligible
	hadNoReplica
	recovered
	recoveredUnsafely
	tookOver
	committed
	markers
	snapshotOrdered
	snapshotBroken
	snapshotUnaware
	snapshotResumed
	learnersThrottled
	snapshotInstalled
	regained
	called
	forwarded
	readHere
	readReplica
	readDirty
	readHereExpired
	answeredDone
	answeredRead
	answeredFailed
	answeredNotPrimary
	answeredTimedOut
	answeredUnknown
	answeredForgotten
	answeredExpired
	answeredShort
	unavailable
	outcomeUnknown
	clientLost
	disowned
	fenced
	abandonedAtFence
	repeatedCalls
	keysReused
	answeredAgain
	answeredInProgress
	answeredKeyReused
	expiredValues
	handedOver
	hashesEqual
	hashesDiffer
	copiesExpelled
	repaired
	faultDrain
	faultRemove
	faultPauseMoves
	nodesReplaced
	nodesRemoved
	movesBegun
	movesDone
	movesCancelled
	handOversAsked
	copiesDropped
	faultCoordinatorLost
	coordinatorRemoved
	coordinatorAdded
	faultWeigh
	adminCommands
	adminRepeated
	adminAttemptsLost
	adminAttemptsLate
	adminAnswersLost
	adminSettled
	adminRefused
	adminUnknown
	adminNotApplied
	nodesBack
	inputsBatched
	historiesJudged
	historiesUndecided
	counters
)

var counterNames = [counters]string{
	"pauses", "long pauses", "crashes", "power losses", "wiped disks", "one-way cuts", "two-way cuts", "isolations", "splits", "connections reset",
	"delay storms", "rate changes", "slow disks", "leader changes", "coordinator outages", "coordinator crashes", "crashes of all nodes", "primaries moved without need", "false suspicions", "nodes told to leave", "lost copies", "nodes short of memory or disk", "copies that differ", "snapshots interrupted", "directories that went back", "directories that moved", "copies of directories started elsewhere", "second processes with a node's ID", "coordinators restored from a backup", "restored coordinators that came past the old version", "restored coordinators that were marked", "in-sync copies all lost", "maps recovered",
	"messages between replicas", "probes", "fetches", "fetches of what does not agree", "rejections", "refusals of an epoch", "releases",
	"messages lost", "messages lost to cuts", "messages repeated", "beacons lost", "beacons late", "messages of older boots", "messages without connection",
	"connections broken", "map streams broken", "unsynced writes lost", "flushes",
	"proposals without leader", "commands lost", "commands put off by a new leader", "elections", "suspicions", "proposals", "proposals turned round", "proposals put off", "refused commands", "starts refused", "twins refused", "twins accepted", "twins stopped", "twins accepted after they were stopped", "processes superseded by a twin", "starts that the operator vouched for", "calls for partitions that a recovered map leaves to unsafe-recover",
	"primaries moved", "replicas removed", "replicas added", "epochs only raised", "configurations with eligible", "configurations without replica",
	"recoveries", "unsafe recoveries", "take-overs", "entries committed", "markers", "snapshots ordered", "snapshots broken off", "parts of snapshots over a connection that was not there before", "snapshots that went on after a break", "ticks that learners waited for the throttle", "snapshots installed", "snapshots installed at a chosen copy that had not heard of it",
	"calls", "forwarded", "reads past the executor", "reads at a secondary", "reads of dirty keys", "reads past the executor refused",
	"answers done", "answers of reads", "answers 412", "answers not primary", "answers timed out", "answers unknown", "answers forgotten", "answers expired", "answers of a shortage",
	"calls unavailable", "calls of unknown outcome", "calls lost with their node", "boots disowned by a late registration", "processes superseded", "requests given up by a superseded process",
	"calls that repeat another", "idempotency keys reused by mistake", "answers given again", "answers 409", "answers 422", "values expired", "nodes that left in good order", "hash checks", "hash checks that found a difference", "copies expelled", "schedules repaired whole",
	"nodes drained", "nodes told to be removed", "moves paused", "nodes replaced", "nodes removed", "moves begun", "moves done", "moves cancelled", "hand-overs of primaries asked for", "copies deleted", "coordinators' disks lost", "coordinators removed", "coordinators added",
	"nodes weighed anew", "admin commands", "admin commands repeated", "admin attempts lost", "admin attempts that came late", "answers to admin commands lost", "results after an unknown outcome", "admin commands refused", "admin commands of unknown outcome", "admin commands reported as not applied", "nodes that were replaced and are back",
	"inputs that others of their batch had come before", "histories judged", "histories that could not be judged in time",
}

// Coverage counts what schedules met.
type Coverage [counters]uint64

// Add adds another schedule's counts.
func (c *Coverage) Add(d *Coverage) {
	for i := range c {
		c[i] += d[i]
	}
}

// String lists all counts, those that are zero last.
func (c *Coverage) String() string {
	var b, zero strings.Builder
	for i, n := range c {
		if n == 0 {
			fmt.Fprintf(&zero, " %s;", counterNames[i])
			continue
		}
		fmt.Fprintf(&b, "%12d %s\n", n, counterNames[i])
	}
	if zero.Len() > 0 {
		fmt.Fprintf(&b, "never:%s\n", strings.TrimSuffix(zero.String(), ";"))
	}
	return b.String()
}

// Faults returns how many faults there were.
func (c *Coverage) Faults() (n uint64) {
	for i := faultPause; i <= faultDisaster; i++ {
		n += c[i]
	}
	return n
}

// Calls returns how many requests clients made.
func (c *Coverage) Calls() uint64 { return c[called] }

// Undecided returns for how many keys' histories it took too long to find out whether
// they are linearizable, and how many there were.
func (c *Coverage) Undecided() (undecided, all uint64) {
	return c[historiesUndecided], c[historiesJudged]
}

// Acknowledged returns how many writes were acknowledged by a primary.
func (c *Coverage) Acknowledged() uint64 { return c[answeredDone] }

func (c *Coverage) outcome(o replica.Outcome) {
	switch o {
	case replica.Done:
		c[answeredDone]++
	case replica.Found, replica.Absent:
		c[answeredRead]++
	case replica.PreconditionFailed:
		c[answeredFailed]++
	case replica.InProgress:
		c[answeredInProgress]++
	case replica.KeyReused:
		c[answeredKeyReused]++
	case replica.NotPrimary:
		c[answeredNotPrimary]++
	case replica.TimedOut:
		c[answeredTimedOut]++
	case replica.Unknown:
		c[answeredUnknown]++
	case replica.Forgotten:
		c[answeredForgotten]++
	case replica.Expired:
		c[answeredExpired]++
	case replica.Overloaded, replica.DiskFull:
		c[answeredShort]++
	}
}

func (c *Coverage) message(m *replica.Message) {
	c[sent]++
	switch m.Kind {
	case replica.Probe:
		c[sentProbes]++
	case replica.Fetch:
		c[sentFetches]++
	case replica.FetchReply:
		if m.Mismatch {
			c[sentMismatches]++
		}
	case replica.Reject:
		c[sentRejects]++
	case replica.Refuse:
		c[sentRefusals]++
	case replica.Release:
		c[sentReleases]++
	case replica.ProbeReply, replica.Append, replica.Ack, replica.BeaconMessage, replica.BeaconReply,
		replica.HashCheck, replica.HashReply, replica.Expel:
	}
}

func (c *Coverage) command(_ state.Command, r state.Result) {
	if r.Err != nil {
		c[refused]++
		if errors.Is(r.Err, state.ErrOldStart) {
			c[startsRefused]++
		}
		return
	}
	for _, v := range r.Verdicts {
		if v.Err != nil {
			c[refused]++
		}
	}
}
