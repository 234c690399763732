// Package state is the machine that the coordinators' Raft group applies its
// log to: the partition map, and what must be remembered to change it safely.
// Every check of a command happens here, as it is applied, so that a command is
// a compare-and-set and may be repeated. The coordinator and the simulator feed
// it; it is deterministic, and has no I/O, clock, goroutine or random source.
package state
