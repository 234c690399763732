package dataplane

import "github.com/holdfast-io/holdfast/dataplane/replica"

// now reads the node's steady clock. It goes on while the machine sleeps where
// the system has such a clock, for a lease must not outlive a suspension.
func now() replica.Time { return replica.Time(steadyNanoseconds()) }
