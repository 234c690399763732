package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/storage/faultfiles"
)

// crashWorkload appends entries, some more than others at a time, until the log
// has gone through several segments. acked counts those whose sync was told.
func crashWorkload(e *Engine, batches int, acked *atomic.Uint64) {
	e.OpenPartition(1, lineage)
	next := uint64(1)
	for n := range batches {
		last := next + uint64(n%3)
		done := make(chan struct{})
		e.Append(records(1, puts(next, last, 300+n%5*400)...), func() { close(done) })
		select {
		case <-done:
		case <-e.writer.done:
			return // a failure ends the writer
		}
		acked.Store(last)
		next = last + 1
	}
}

// checkCrashed opens what a crash left, and wants everything in it that was
// acknowledged, nothing that was not appended, and that it goes on.
func checkCrashed(t *testing.T, dir, what string, acked uint64) {
	t.Helper()
	o := small(dir)
	o.ScrubRate = -1
	o.Failed = func(err error) { t.Errorf("%s: %v", what, err) }
	e, err := Open(o)
	if err != nil {
		t.Errorf("%s: with %d acknowledged: %v", what, acked, err)
		return
	}
	defer e.Close()
	var log []*entry.Entry
	if r := e.Recovered(); len(r) == 1 {
		log = r[0].Log
	}
	if uint64(len(log)) < acked {
		t.Errorf("%s: %d entries, and %d were acknowledged", what, len(log), acked)
		return
	}
	for i, got := range log {
		want := puts(uint64(i+1), uint64(i+1), len(got.Value))[0]
		if got.Position != want.Position || string(got.Key) != string(want.Key) || string(got.Value) != string(want.Value) {
			t.Errorf("%s: entry %d is %q", what, i+1, got.Key)
			return
		}
	}
	if len(log) == 0 {
		return
	}
	done := make(chan struct{})
	e.Append(records(1, puts(uint64(len(log)+1), uint64(len(log)+1), 10)...), func() { close(done) })
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Errorf("%s: it does not go on", what)
	}
}

// TestCrashAtEveryOperationOfTheLog crashes before each operation on the log's
// files in turn: with all that was not synced, with none of it, and with some
// sectors of it, in any order; every operation of a short run, some of a long one.
func TestCrashAtEveryOperationOfTheLog(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]struct{ batches, picked int }{"every": {24, 1}, "some of many": {300, 31}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crashes(t, run.batches, run.picked)
		})
	}
}

// crashes crashes before every picked-th operation.
func crashes(t *testing.T, batches, picked int) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	files := faultfiles.New()
	dir := t.TempDir()
	var acked atomic.Uint64
	var mu sync.Mutex // the rotation's goroutine and the writer's take turns, not by the test's doing
	operations, images := 0, 0
	files.At = func(operation string) error {
		mu.Lock()
		defer mu.Unlock()
		operations++
		if operations%picked != 0 {
			return nil
		}
		for _, way := range []struct {
			name string
			keep func() bool
		}{
			{"all of it", func() bool { return true }},
			{"none of it", func() bool { return false }},
			{"half the sectors", func() bool { return random.IntN(2) == 0 }},
			{"most sectors", func() bool { return random.IntN(8) != 0 }},
			{"few sectors", func() bool { return random.IntN(8) == 0 }},
			{"a prefix", prefixOf(random)},
		} {
			crashed := image(t, dir)
			if err := files.Forget(crashed, dir, way.keep); err != nil {
				t.Error(err)
			}
			images++
			checkCrashed(t, crashed, fmt.Sprintf("before operation %d, a %s, %s is on disk", operations, operation, way.name), acked.Load())
			if err := os.RemoveAll(crashed); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	o := small(dir)
	o.ScrubRate = -1
	o.LogFiles = files
	o.Failed = func(err error) { t.Error(err) }
	e, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	crashWorkload(e, batches, &acked)
	if n := len(segments(t, dir)); n < 3 {
		t.Errorf("only %d segments", n)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("%d images of %d operations", images, operations)
}

// prefixOf keeps sectors up to some point, and none behind.
func prefixOf(random *rand.Rand) func() bool {
	left := random.IntN(8)
	return func() bool {
		left--
		return left >= 0
	}
}

// TestFailureAtEveryOperationOfTheLog lets each operation in turn fail for want
// of room, or because the disk does: that is told, nothing is acknowledged from
// then on, and nothing that was acknowledged is lost.
func TestFailureAtEveryOperationOfTheLog(t *testing.T) {
	t.Parallel()
	for _, fault := range []error{syscall.ENOSPC, syscall.EIO} {
		t.Run(fault.Error(), func(t *testing.T) {
			t.Parallel()
			for failing := 1; ; failing++ {
				if !failAt(t, failing, fault) {
					t.Logf("%d operations failed in turn", failing-1)
					break
				}
			}
		})
	}
}

// failAt lets the operation of that number fail; false if there are not as many.
func failAt(t *testing.T, failing int, fault error) bool {
	t.Helper()
	files := faultfiles.New()
	var operations atomic.Int64
	var met atomic.Bool
	files.At = func(operation string) error {
		if operations.Add(1) < int64(failing) {
			return nil
		}
		met.Store(true)
		return &os.PathError{Op: operation, Path: "the log", Err: fault}
	}
	o := small(t.TempDir())
	o.ScrubRate = -1
	o.LogFiles = files
	o.Logger = slog.New(slog.DiscardHandler)
	var failed atomic.Pointer[error]
	o.Failed = func(err error) { failed.Store(&err) }
	e, err := Open(o)
	if err != nil {
		if !errors.Is(err, fault) {
			t.Errorf("operation %d: open: %v", failing, err)
		}
		return met.Load()
	}
	var acked atomic.Uint64
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		crashWorkload(e, 16, &acked)
	}()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("operation %d: neither acknowledged nor failed", failing)
	}
	if met.Load() && acked.Load() < 30 {
		if failed.Load() == nil || !errors.Is(*failed.Load(), fault) && !strings.Contains((*failed.Load()).Error(), "log") {
			t.Errorf("operation %d: the failure was not told", failing)
		}
	}
	_ = e.Close() // after a failure it may say so again
	checkCrashed(t, e.options.Dir, fmt.Sprintf("operation %d fails with %v", failing, fault), acked.Load())
	return met.Load()
}
