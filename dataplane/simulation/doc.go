// Package simulation runs whole clusters of the product's own state machines -
// replica.Group, routing.Request, coordinator/state and coordinator/liveness -
// under a seeded scheduler with virtual time, harms them, and checks after each
// step that no promise is broken. A schedule is a function of its seed: any
// failure is replayed from it.
//
// Only tests and scripts/simulate import it. What the state machines are pure
// of (network, disks, clocks, Raft) is a model here; see DESIGN.md.
package simulation
