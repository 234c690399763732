package main

// recoverRules are those of a map that is recovered from what the nodes report.
var recoverRules = []rule{
	{"4 recover-map counts the lost of one configuration alone", []edit{{stateDir + "recoverloss.go",
		"	for id := range v.lost {\n		gone[id] = true\n	}\n", ""}},
		scenario{"coordinator/state", "TestRecoverMapSaysWhatTheLostMayHaveAcknowledged"}},
	{"4 recover-map leaves copies eligible that may lack writes", []edit{{stateDir + "recoverplan.go",
		" && !v.losing(s) {", " {"}},
		scenario{"coordinator/state", "TestRecoverMapLeavesNoCopyEligibleThatMayLackWrites"}},
}
