package main

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/holdfast-io/holdfast/dataplane"
)

const (
	// baseMemory is what a node takes beside what its settings bound: code,
	// stacks, connections and their buffers, what raft-wal and bbolt have in hand.
	baseMemory = 256 << 20
	// headroom is how much garbage may come together before it is collected. The
	// runtime's own rule, as much as there is of live memory, makes a node with
	// full tables twice as large as they are, and one with empty ones collect all
	// the time.
	headroom = 128 << 20
	// Bounds of GOGC, in percent of live memory.
	leastGOGC, mostGOGC = 25, 400
	// tuneEvery is how often GOGC is set anew.
	tuneEvery = time.Second
)

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

// tuneGarbage lets headroom bytes of garbage come together between collections,
// until ctx ends. GOGC, where it is set, counts instead.
func tuneGarbage(ctx context.Context) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(tuneEvery)
	defer tick.Stop()
	for set := 0; ; {
		metrics.Read(live)
		if percent := gogc(live[0].Value.Uint64()); percent < set-set/10 || percent > set+set/10 {
			set = percent
			debug.SetGCPercent(percent)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gogc is the percentage of live memory that headroom is.
func gogc(live uint64) int {
	return int(min(max(100*headroom/max(live, 1), leastGOGC), mostGOGC))
}
