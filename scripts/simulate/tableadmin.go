package main

import "slices"

// adminRules are those of admin commands: each is applied once, to what it was
// judged from, and reports what became of it.
var adminRules = []rule{
	{"4 admin: a repeated operation is applied again", []edit{{stateDir + "operation.go",
		"case known && (!o.Open || c.Open):", "case known && o.Open && c.Open:"}},
		scenario{"coordinator/state", "TestARepeatedOperationGetsTheFirstResult"}},
	{"4 admin: a snapshot forgets operations", []edit{{stateDir + "snapshot.go",
		"writeList(w, m.operations, w.operation)", "writeList(w, m.operations[:0], w.operation)"}},
		scenario{"coordinator/state", "TestARepeatedOperationGetsTheFirstResult"}},
	{"4 admin: a refusal is not remembered", []edit{{stateDir + "operation.go",
		"	m.memory.remember(o)\n", "	if o.Refused == \"\" {\n		m.memory.remember(o)\n	}\n"}},
		scenario{"coordinator/state", "TestARefusedOperationStaysRefused"}},
	{"4 admin: a recovery overrides what came since", []edit{
		{stateDir + "recover.go", "	if c.Epoch != cur.Epoch {\n		return fmt.Errorf(\"recover", "	if false {\n		return fmt.Errorf(\"recover"},
		{stateDir + "recover.go", "	if c.Epoch != cur.Epoch {\n		return fmt.Errorf(\"unsafe-recover", "	if false {\n		return fmt.Errorf(\"unsafe-recover"},
	}, scenario{"coordinator/state", "TestARecoveryDoesNotOverrideAPrimaryThatReturned"}},
	{"4 admin: an undrained node is removed", []edit{{stateDir + "duty.go",
		" || c.Duty != n.Duty || !c.Lost && n.Duty != partition.Removing {", " {"}},
		scenario{"coordinator/state", "TestAnUndrainedNodeIsNotRemoved"}},
	{"4 admin: a removal is of a later start", []edit{{stateDir + "duty.go",
		"	if c.Store != n.Store || c.Incarnation != n.Incarnation || c.Duty", "	if c.Duty"}},
		scenario{"coordinator/state", "TestAStartThatWasNotJudgedIsLeftAlone"}},
	{"4 admin: a node that is back undoes a drain", []edit{{stateDir + "duty.go",
		" || n.Duty != c.Was && n.Duty != c.Duty):", "):"}},
		scenario{"coordinator/state", "TestAReturnDoesNotUndoADrain"}},
	{"4 admin: a weight undoes a drain", []edit{{stateDir + "duty.go",
		"		next.Weight = c.Weight\n", "		next.Weight, next.Duty = c.Weight, partition.Full\n"}},
		scenario{"coordinator/state", "TestAWeightDoesNotUndoADrain"}},
	{"4 admin: two drains leave too few nodes", []edit{{stateDir + "duty.go",
		"c.Duty != partition.Full && err != nil", "c.Duty != partition.Full && err != nil && false"}},
		scenario{"coordinator/state", "TestTwoDrainsDoNotLeaveTooFewNodes"}},
	{"4 admin: a rebalancing setting undoes another", []edit{{stateDir + "moves.go",
		"c.Change.Of(t.old.Rebalance)", "c.Change.Of(partition.DefaultRebalance)"}},
		scenario{"coordinator/state", "TestRebalanceChangesDoNotUndoEachOther"}},
	{"4 admin: a move begins after a pause", []edit{{stateDir + "moves.go",
		"if c.Version < t.memory.steered {", "if false {"}},
		scenario{"coordinator/state", "TestAMoveThatWasPlannedBeforeAPauseDoesNotBegin"}},
	{"4 admin: a coordinator's place is given twice", []edit{{stateDir + "memory.go",
		"if SeatFor(m.seats, s.Coordinator, s.Store) != s {", "if false {"}},
		scenario{"coordinator/state", "TestAPlaceIsNotGivenTwice"}},
	{"4 admin: not applied, after an attempt that may be", []edit{{simulationDir + "admin.go",
		"	a.tried = a.tried || maybe\n", "	a.tried = maybe\n"}}, scenario{}},
	{"4 admin: what is not committed in time is not applied", []edit{{"coordinator/commit.go",
		"		return fmt.Errorf(\"%w: %w\", errOutcomeUnknown, ctx.Err())", "		return fmt.Errorf(\"%w: %w\", errNotApplied, ctx.Err())"}},
		scenario{"coordinator", "TestADrainThatIsAppliedLaterWasNotReportedAsNotApplied"}},
	{"4 admin: what a deposed leader had in its log is not applied", []edit{{"coordinator/commit.go",
		"case errors.Is(err, raft.ErrNotLeader), ", "case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrNotLeader), "}},
		scenario{"coordinator", "TestALeaderThatFallsKnowsNoOutcome"}},
	{"4 admin: no leader now settles an earlier attempt", []edit{{"coordinator/route.go",
		"			if unknown != nil {", "			if unknown != nil && false {"}},
		scenario{"coordinator", "TestALeaderThatFallsKnowsNoOutcome"}},
	{"4 admin: a forward that broke is not applied", []edit{
		{"coordinator/route.go", "Code: protocol.Unknown, Text: fmt.Sprintf(\"ask coordinator %s, the leader: %v\", leader, err)}", "Code: protocol.Retry, Text: fmt.Sprintf(\"ask coordinator %s, the leader: %v\", leader, err)}"},
		{"coordinator/route.go", "Code: protocol.Unknown, Text: fmt.Sprintf(\"ask coordinator %s, the leader: %v\", leader, ctx.Err())}", "Code: protocol.Retry, Text: fmt.Sprintf(\"ask coordinator %s, the leader: %v\", leader, ctx.Err())}"},
	}, scenario{"coordinator", "TestAForwardThatBreaksHasAnUnknownOutcome"}},
	{"4 admin: the command line believes no leader after an unknown attempt", []edit{{"cmd/holdfast/admin.go",
		"	if a.unknown == nil || a.looks {", "	if a.failed != nil && errors.As(a.failed, new(*problem)) {"}},
		scenario{"cmd/holdfast", "TestAnAdminCommandReportsItsOutcome"}},
}

// allRules are the rules of every table.
func allRules() []rule { return slices.Concat(rules, adminRules, fenceRules, recoverRules) }
