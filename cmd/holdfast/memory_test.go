package main

import (
	"testing"

	"github.com/holdfast-io/holdfast/dataplane"
)

func TestGarbageIsBoundedBothWays(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for live, want := range map[uint64]int{0: 400, 8 * mib: 400, 64 * mib: 200, 128 * mib: 100, 256 * mib: 50, 4096 * mib: 25} {
		if got := gogc(live); got != want {
			t.Errorf("%d MiB live: GOGC %d, want %d", live/mib, got, want)
		}
	}
}

func TestMemoryLimitFollowsTheSettings(t *testing.T) {
	t.Parallel()
	c := dataplane.Config{MemoryTable: 100, LogRetention: 300, Executors: 2, InboxBytes: 10}
	c.Limits.Bodies = 1000
	if got := memoryLimit(&c); got != baseMemory+600+1000+40 {
		t.Errorf("limit %d", got)
	}
}
