package storage

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Nothing is reported of a file that is whole, whatever flushes change during a
// pass over it; and the sums at the end are those of all that is in it.
func TestScrubOfAFileThatIsFlushedRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			b := newBusyFile(t, small(t.TempDir()), seed)
			for range 3 {
				steps, err := b.pass(func(int) {
					for range b.random.IntN(3) {
						b.flushSome()
					}
				})
				if err != nil {
					t.Fatal(err)
				}
				if steps < 80 {
					t.Fatalf("%d steps: that is no pass between flushes", steps)
				}
			}
		})
	}
}

// The same with flushes that come while a transaction of the scrub is open.
func TestScrubBesideFlushesRaisesNoAlarm(t *testing.T) {
	t.Parallel()
	b := newBusyFile(t, small(t.TempDir()), 1)
	var flushing sync.WaitGroup
	var end atomic.Bool
	flushing.Go(func() {
		for !end.Load() {
			b.flushSome()
		}
	})
	for range 10 {
		if _, err := b.pass(func(int) {}); err != nil {
			t.Error(err)
		}
	}
	end.Store(true)
	flushing.Wait()
}

// A transaction of the scrub sees a flush, or it does not, whenever the flush is
// announced, committed and done: its changes count once.
func TestSweepTakesEachFlushInOnce(t *testing.T) {
	t.Parallel()
	// Of a bucket with the keys a, c and e, "a" and "c" have been read. A flush
	// changes each by a power of ten.
	changes := []sumChange{{dataKind, "a", 1}, {dataKind, "c", 10}, {dataKind, "e", 100}, {expiryKind, "a", 1000}}
	type event = func(s *sweep, a *announced) *announced
	announce := func(s *sweep, _ *announced) *announced { return s.announce(2, changes) }
	done := func(_ *sweep, a *announced) *announced { a.done(); return a }
	begin := func(number int) event {
		return func(s *sweep, a *announced) *announced {
			if _, _, err := s.begin(func() (int, error) { return number, nil }); err != nil {
				t.Error(err)
			}
			return a
		}
	}
	end := func(to string) event {
		return func(s *sweep, a *announced) *announced {
			s.end(place{dataKind, to}, s.sums)
			return a
		}
	}
	for what, c := range map[string]struct {
		events []event
		want   uint64 // of what the transactions did not see of the flush
	}{
		"between two transactions":                {[]event{announce, done, begin(2), end("z")}, 11},
		"not seen by one that is open":            {[]event{begin(1), announce, done, end("f"), begin(2), end("z")}, 111},
		"seen by one that begins before its end":  {[]event{announce, begin(2), end("f"), done, begin(2), end("z")}, 11},
		"seen, and done while it is open":         {[]event{announce, begin(2), done, end("f")}, 11},
		"not seen, and done after it":             {[]event{announce, begin(1), end("f"), done}, 111},
		"not seen, and only the next one sees it": {[]event{announce, begin(1), end("f"), begin(2), done, end("z")}, 111},
	} {
		s := &sweep{at: place{dataKind, "d"}}
		var a *announced
		for _, e := range c.events {
			a = e(s, a)
		}
		if s.sums[dataKind] != c.want || s.sums[expiryKind] != 0 || len(s.pending) != 0 {
			t.Errorf("%s: %d, want %d; %d pending", what, s.sums[dataKind], c.want, len(s.pending))
		}
	}
}

// Damage to any page of any bucket is found within one pass, though the file is
// flushed before each step of it.
func TestDamageInEachBucketIsFoundWhileFlushesRun(t *testing.T) {
	t.Parallel()
	for kind := range bucketKinds {
		for _, h := range harms {
			t.Run(fmt.Sprintf("%s %s", bucketNames[kind], h.what), func(t *testing.T) {
				t.Parallel()
				b := newBusyFile(t, small(t.TempDir()), uint64(kind))
				plant, planted := 1+b.random.IntN(80), false
				_, err := b.pass(func(step int) {
					if !planted {
						b.flushSome()
					} else {
						b.mayFail()
					}
					if step == plant {
						planted = true
						branches, leaves := b.layout(kind)
						pages := leaves
						if h.branch {
							pages = branches
						}
						id := pages[len(pages)/2]
						h.do(b, kind, b.page(id), id)
					}
				})
				if !planted {
					t.Fatal("the pass was too short for damage to be planted")
				}
				if err == nil { // it was planted behind the pass that was under way
					_, err = b.pass(func(int) { b.mayFail() })
				}
				if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), b.f.path) {
					t.Errorf("the scrub says %v", err)
				}
			})
		}
	}
}
