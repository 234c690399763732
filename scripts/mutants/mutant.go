package main

import (
	"path"
	"slices"
)

// mutant is a careless change: one text of a file in place of another. The
// package's own tests must fail with it.
type mutant struct {
	name, file, old, new string
	// unnoticed says why no test notices the change; empty: a test must.
	unnoticed string
}

// pkg is the package whose tests must notice the change.
func (m *mutant) pkg() string { return path.Dir(m.file) }

func allMutants() []mutant {
	return slices.Concat(storageMutants, dataplaneMutants, gatewayMutants, clientMutants,
		transportMutants, coordinatorMutants, partitionMutants, commandMutants)
}
