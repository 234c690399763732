// Package rebalance carries out plans: it says, by the map and by how the nodes
// are, which moves should begin and end now. It is a pure state machine, without
// I/O or a clock of its own; see DESIGN.md.
package rebalance
