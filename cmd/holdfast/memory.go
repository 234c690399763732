package main

import (
	"os"
	"runtime/debug"

	"github.com/holdfast-io/holdfast/dataplane"
)

// baseMemory is what a node takes beside what its settings bound: code, stacks,
// connections and their buffers, what raft-wal and bbolt have in hand.
const baseMemory = 256 << 20

// limitMemory has the runtime collect garbage more eagerly as the process comes
// near to what its settings let it hold. It is a soft limit: nothing fails above
// it. GOMEMLIMIT, where it is set, counts instead.
func limitMemory(c *dataplane.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(c))
	}
}

// memoryLimit is the sum of the bounds: what is not flushed and what is kept of
// the log may both be as large as refusing lets them become (storage refuses
// writes at one and a half times either), bodies, and messages and operations
// for the executors.
func memoryLimit(c *dataplane.Config) int64 {
	return baseMemory + 2*max(c.MemoryTable, c.LogRetention) + c.Limits.Bodies + 2*int64(c.Executors)*c.InboxBytes
}
