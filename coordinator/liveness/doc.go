// Package liveness decides which nodes are alive, and what the coordinators'
// leader proposes when one is not. Every coordinator feeds a Detector with all
// heartbeats; only the leader proposes what its Tick returns. It is pure: it is
// told the time, and has no I/O, clock or goroutine. Suspicion only starts a
// change of the map; leases and promises between the nodes make it safe.
package liveness
