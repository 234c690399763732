package storage

import (
	"sync/atomic"
	"testing"
)

// TestDiskFull: from below the reserve until above the other bound, and no
// sooner.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	var free atomic.Int64
	o := small(t.TempDir())
	o.ReserveDisk, o.ResumeDisk = 1000, 1500
	o.FreeSpace = func(string) (int64, error) { return free.Load(), nil }
	free.Store(1000)
	f := open(t, o)
	if f.DiskFull() {
		t.Error("full at the reserve")
	}
	for _, c := range []struct {
		free int64
		full bool
	}{{999, true}, {1499, true}, {1500, false}, {1000, false}, {0, true}} {
		free.Store(c.free)
		eventually(t, "the disk is looked at", func() bool { return f.diskFree.Load() == c.free })
		eventually(t, "what follows is told", func() bool { return f.DiskFull() == c.full })
	}
}

func TestHolding(t *testing.T) {
	t.Parallel()
	var h holding
	h.set(1 << 30)
	for _, c := range []struct {
		held int64
		full bool
	}{{3 << 29, false}, {3<<29 + 1, true}, {5 << 28, true}, {5<<28 - 1, false}, {3 << 29, false}} {
		if got := h.look(c.held); got != c.full {
			t.Errorf("full with %d: %v", c.held, got)
		}
	}
}

// TestHeldBytes: what retention counts is what it has.
func TestHeldBytes(t *testing.T) {
	t.Parallel()
	r := newRetention()
	r.begin(1)
	want := func(what string, entries ...uint64) {
		t.Helper()
		sum := int64(0)
		for _, s := range entries {
			sum += heldCost(put(s, "key", "value"))
		}
		if got := r.held.Load(); got != sum {
			t.Errorf("%s: %d bytes held, want %d", what, got, sum)
		}
	}
	for s := uint64(1); s <= 4; s++ {
		r.add(1, put(s, "key", "value"))
	}
	r.add(2, put(1, "key", "value"))
	want("all", 1, 2, 3, 4, 1)
	r.add(1, put(3, "key", "value"))
	want("an entry replaces what was from it on", 1, 2, 3, 1)
	r.flushed(1, 1)
	want("one flushed", 2, 3, 1)
	r.flushed(1, 3)
	want("a partition flushed", 1)
	r.forget(2)
	want("nothing")
}
