// Package partition holds the partition map and what is computed from it alone:
// hashing, lookups, the first placement, differences between maps, and the
// invariants. Every other package of the project may use it. Its values are
// immutable once they are shared; it has no I/O, no clock and no randomness.
package partition
