package simulation

import (
	"testing"
	"time"
)

// TestScenarios runs schedules in which one kind of fault, or two that make each
// other worse, comes all the time. The names are the ways in which systems of
// this shape have lost data.
func TestScenarios(t *testing.T) {
	t.Parallel()
	only := func(kinds ...int) func(w *world) {
		return func(w *world) {
			w.profile.weights = [faultKinds]float64{}
			for _, kind := range kinds {
				w.profile.weights[kind] = 1
			}
			w.profile.burstEvery, w.profile.burstSize, w.profile.faultGap = time.Second, 3, 200*time.Millisecond
		}
	}
	elastic := func(adjust func(w *world)) func(w *world) {
		return func(w *world) {
			adjust(w)
			w.profile.elastic, w.profile.replaceAfter = true, 3*time.Second
		}
	}
	for _, scenario := range []struct {
		name   string
		adjust func(w *world)
		meets  counter // must have happened
	}{
		{"a paused primary answers reads", only(pause, longPause), tookOver},
		{"an isolated primary answers reads", only(isolate), replicaRemoved},
		{"an outward path that is broken: the accuser goes", only(cutOneWay, isolate), turnedRound},
		{"a promotion on a report from before a restart", only(crash, movePrimary), primaryMoved},
		{"two primaries during a move", only(movePrimary, pause), primaryMoved},
		{"unsynced writes are lost, and the others follow", only(powerLoss, allCrash), lostUnsynced},
		{"an empty disk becomes an empty primary", only(wipe), faultWipe},
		{"a replica removed and added again between two looks", only(falseSuspicion, reset), replicaAdded},
		{"committing on the smaller of two configurations in flight", only(isolate, falseSuspicion, outage), replicaRemoved},
		{"all in sync die: a stale copy is promoted", only(allCrash, falseSuspicion), hadEligible},
		{"a directory goes back to an earlier copy", only(restoredDirectory, restoredDirectory, crash), startsRefused},
		{"a directory goes back while others are cut off", only(restoredDirectory, isolate, crash), startsRefused},
		{"a copy of a directory is started while the first runs", only(twinned, twinned, cutOneWay), twinsRefused},
		{"a copy of a directory takes the place of one that is cut off", only(twinned, twinned, longPause), processesSuperseded},
		{"a directory moves to another address", only(movedDirectory, movedDirectory, cutOneWay), faultMovedDirectory},
		{"a superseded process goes on", only(usurped, usurped, cutOneWay, movePrimary), fenced},
		{"a retry is applied twice", only(reset, cutOneWay, movePrimary), outcomeUnknown},
		{"a lost update of the map", only(leaderChange, coordinatorCrash, outage, crash), leaderElected},
		{"a learner says that it has what it has not", only(slowDisk, powerLoss, wipe), snapshotInstalled},
		{"the connection of a snapshot breaks, and it goes on", func(w *world) {
			only(wipe, cutBothWays, isolate, drain)(w)
			w.profile.transfer, w.profile.retention = time.Second, 1
		}, snapshotResumed},
		{"a learner starts again while it gets a snapshot: parts of two are mixed", func(w *world) {
			only(wipe, interruption, interruption)(w)
			w.profile.transfer, w.profile.retention = time.Second, 1
		}, snapshotResumed},
		{"old messages come late", only(storm, movePrimary, reset), sentRefusals},
		{"an acknowledgement before the removal of a replica is committed", only(isolate, cutOneWay, falseSuspicion), replicaRemoved},
		{"logs are cut to what is known to be committed", only(crash, movePrimary, allCrash), sentFetches},
		{"secondaries differ after a fail-over", only(crash, longPause, movePrimary), hashesEqual},
		{"a comparison that fails is put up with", only(reset, crash, slowDisk, movePrimary), sentFetches},
		{"one damaged copy brings down the others", only(lostCopy, divergence), faultLostCopy},
		{"requests are passed to and fro while the primary moves", only(movePrimary, storm), primaryMoved},
		{"partitions move while nodes crash", elastic(only(drain, remove, crash, powerLoss)), movesDone},
		{"partitions move while links are cut", elastic(only(drain, cutOneWay, isolate)), copiesDropped},
		{"coordinators' disks are lost, and replaced", elastic(only(coordinatorLost, coordinatorLost, leaderChange, coordinatorCrash, crash, drain)), coordinatorAdded},
		{"an admin command is reported as not applied, and is", elastic(func(w *world) {
			only(drain, remove, weigh, pauseMoves, leaderChange, outage, coordinatorCrash)(w)
			w.profile.unsure = 0.4
		}), adminUnknown},
		{"the primary hands over while coordinators come and go", elastic(only(drain, leaderChange, outage, coordinatorCrash)), handOversAsked},
	} {
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			var sum Coverage
			// More than four where these have not met what it is about.
			for seed := uint64(0); seed < 4 || seed < 24 && sum[scenario.meets] == 0; seed++ {
				r := run(Options{Seed: seed + 1}, func(w *world) {
					scenario.adjust(w)
					w.profile.nodes = max(w.profile.nodes, 4)
					w.settings.ReplicationFactor, w.settings.MinInSync, w.settings.ExpectNodes = 3, 2, w.profile.nodes
				})
				sum.Add(&r.Coverage)
				if r.Failure != "" {
					t.Errorf("seed %d: %s", r.Seed, r.Failure)
				}
			}
			if sum[scenario.meets] == 0 {
				t.Errorf("no %s", counterNames[scenario.meets])
			}
		})
	}
}
