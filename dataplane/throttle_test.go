package dataplane

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestThrottleIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newThrottle()
		r.set(1 << 20)
		began := time.Now()
		send := func(bytes int) time.Duration {
			if err := r.wait(context.Background(), bytes); err != nil {
				t.Fatal(err)
			}
			return time.Since(began).Round(time.Second)
		}
		send(ahead(1 << 20)) // at once
		if took := send(10 << 20); took != 10*time.Second {
			t.Errorf("10 MiB at 1 MiB a second take %v", took)
		}
		r.set(0)
		if took := send(100 << 20); took != 10*time.Second {
			t.Errorf("unthrottled, 100 MiB take %v", took-10*time.Second)
		}
	})
}

// Entries for learners and snapshots share the rate: entries go first, and never
// take more than all of it.
func TestEntriesAndSnapshotsShareTheThrottle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const second = 8 << 20
		r := newThrottle()
		if got := r.take(1); got >= 0 {
			t.Errorf("%d bytes of one are allowed without a throttle", got)
		}
		r.set(second)
		ctx, cancel := context.WithCancel(t.Context())
		streamed := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for r.wait(ctx, 256<<10) == nil {
				streamed += 256 << 10
			}
		}()
		entries := 0
		ticks := time.NewTicker(tickInterval)
		defer ticks.Stop()
		run := func(d time.Duration, want int) {
			for end := time.Now().Add(d); time.Now().Before(end); <-ticks.C {
				for range Lanes {
					entries += r.take(want)
				}
			}
		}
		run(10*time.Second, 1<<30)
		most := 3 * ahead(second)
		if entries > 10*second+most || entries < 8*second { // a stream that waits for a piece gets it in the end
			t.Errorf("%d bytes of entries in 10 s at %d", entries, second)
		}
		before := entries
		run(10*time.Second, 0)
		cancel()
		<-done
		if entries > before || streamed < 9*second || entries+streamed > 20*second+most {
			t.Errorf("%d bytes of entries, %d of snapshots in 20 s at %d", entries, streamed, second)
		}
	})
}

// However low the rate is, the snapshots that wait leave most of it for entries, and
// get the rest.
func TestEntriesGoFirstAtAnyRate(t *testing.T) {
	t.Parallel()
	for _, second := range []int{1 << 10, 100 << 10, 512 << 10, 1 << 20, 2 << 20, 16 << 20} {
		t.Run(fmt.Sprintf("%d KiB", second>>10), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newThrottle()
				r.set(int64(second))
				ctx, cancel := context.WithCancel(t.Context())
				var streamed atomic.Int64
				var senders sync.WaitGroup
				for range sendersAtOnce + resumedAtOnce {
					senders.Go(func() {
						for size := min(256<<10, second); r.wait(ctx, size) == nil; {
							streamed.Add(int64(size))
						}
					})
				}
				const seconds = 20
				entries := 0
				ticks := time.NewTicker(tickInterval)
				defer ticks.Stop()
				for range seconds * int(time.Second/tickInterval) {
					<-ticks.C
					entries += r.take(1 << 30)
				}
				cancel()
				senders.Wait()
				all := seconds * second
				if got := int(streamed.Load()); entries < all/2 || got < all/10 || entries+got > all+2*ahead(int64(second))+throttlePiece {
					t.Errorf("in %d s at %d bytes a second %d bytes of entries and %d of snapshots", seconds, second, entries, got)
				}
			})
		})
	}
}
