package main

// fenceRules are those of a process whose node's place another start has, or that
// the coordinators refuse for good: it must not act as the node.
var fenceRules = []rule{
	{"F1 a superseded process goes on", []edit{{replicaDir + "group.go",
		"if g.supersededBy(m) {", "if false {"}},
		scenario{"dataplane/simulation", "TestASupersededProcessIsSilent"}},
	{"F1 a superseded process reads under leases and grants", []edit{{replicaDir + "fence.go",
		"	r.dirty = false\n	r.publish()\n", "	r.dirty = false\n"}},
		scenario{"dataplane/simulation", "TestASupersededProcessIsSilent"}},
	{"F1 a superseded process acknowledges", []edit{
		{replicaDir + "fence.go", "		r.fence()\n", "		_ = r\n"},
		{replicaDir + "fence.go", "	g.dirty, g.unsynced, g.beacons.due = nil, nil, false\n	g.out = Output{Answers: g.out.Answers}\n", ""},
	}, scenario{"dataplane/simulation", "TestASupersededProcessIsSilent"}},
	{"F1 what was restored passes for superseded", []edit{{"partition/superseded.go",
		"next.Version <= old.Version || ", ""}},
		scenario{"partition", "TestSuperseded"}},
	{"F2 a map that names another start is shown before the fence", []edit{{libraryDir + "maps.go",
		"	c.look(m)\n	v := ", "	defer c.look(m)\n	v := "}},
		scenario{"coordinator/client", "TestAFencedProgramIsToldBeforeItsMapShowsTheOther"}},
	{"F2 a superseded program takes the place back", []edit{{"coordinator/requests.go",
		"other, lost := supersededBy(current, &m); lost {", "other, lost := supersededBy(current, &m); lost && false {"}},
		scenario{"coordinator", "TestASupersededStartAsksAndClaimsNothing"}},
	{"F2 a refused program's look-ups go on", []edit{{libraryDir + "refused.go",
		"	if c.role == protocol.RoleNode && !reason.Waits {\n", "	if false {\n"}},
		scenario{"coordinator/client", "TestAProgramThatIsRefusedForGoodIsFenced"}},
	{"F3 a fenced node forwards", []edit{
		{"dataplane/gateway/kv.go", "if err := c.g.backend.Fenced(); err != nil {", "if err := c.g.backend.Fenced(); err != nil && false {"},
		{"dataplane/gateway/exchange.go", "		if x.g.backend.Fenced() != nil {\n", "		if false {\n"},
	}, scenario{"dataplane/gateway", "TestAFencedNodeServesNothing"}},
}
