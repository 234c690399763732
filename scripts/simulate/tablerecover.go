package main

// recoverRules are those of a map that is recovered from what the nodes report.
var recoverRules = []rule{
	{"4 recover-map counts the lost of one configuration alone", []edit{{stateDir + "recoverloss.go",
		"	for id := range v.lost {\n		gone[id] = true\n	}\n", ""}},
		scenario{"coordinator/state", "TestRecoverMapSaysWhatTheLostMayHaveAcknowledged"}},
	{"4 recover-map leaves copies eligible that may lack writes", []edit{{stateDir + "recoverplan.go",
		" && !v.losing(s) {", " {"}},
		scenario{"coordinator/state", "TestRecoverMapLeavesNoCopyEligibleThatMayLackWrites"}},
	{"4 recover-map counts a copy in sync that has not adopted what another has", []edit{{stateDir + "recoverplan.go",
		"case v.has(from, m) && !v.older(from, m):", "case v.has(from, m):"}},
		scenario{"coordinator/state", "TestRecoverMapOfADirectoryThatWentBackToo"}},
	{"4 recover-map leaves later starts of a lost history in place", []edit{{replicaDir + "group.go",
		"\t\tclear(g.sessions)\n", ""}},
		scenario{"dataplane/replica", "TestTheRecoveredMapsStartsTakeThePlaceOfLaterOnes"}},
	{"4 recover-map puts a start at another address in sync beside others", []edit{{stateDir + "recovermoved.go",
		"return reported && r.Moved\n", "return false && reported && r.Moved\n"}},
		scenario{"coordinator/state", "TestRecoverMapWithAStartElsewhere"}},
	{"4 recover-map takes the only copy from another address unasked", []edit{{stateDir + "recovermap.go",
		"case len(p.Unvouched) > 0:", "case false:"}},
		scenario{"coordinator/state", "TestRecoverMapWithAStartElsewhere"}},
	{"4 an empty directory elsewhere reports in a node's place", []edit{{stateDir + "behind.go",
		"if err := t.mayReport(&n, c); err != nil {", "if err := t.mayReport(&n, c); err != nil && false {"}},
		scenario{"coordinator/state", "TestAStrangerDoesNotReportInANodesPlace"}},
	{"4 a process that the map names is refused for good while it is behind", []edit{{stateDir + "behind.go",
		"known.Store == n.Store && known.Start() == n.Start() {\n\t\t\terr =", "false && known != nil {\n\t\t\terr ="}},
		scenario{"coordinator/state", "TestAStrangerDoesNotReportInANodesPlace"}},
}
