package coordinator

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// reader is a follower's connection: it applies what it is sent, as a client
// does, and can be slow.
type reader struct {
	transport.Conn
	t         *testing.T
	mu        sync.Mutex
	slow      bool
	m         *partition.Map
	snapshots int
	deltas    int
	beats     int
	closed    bool
	changed   chan struct{}
}

func newReader(t *testing.T) *reader {
	return &reader{t: t, m: &partition.Map{}, changed: make(chan struct{}, 1)}
}

func (r *reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return nil
}

func (r *reader) Send(body []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slow {
		return transport.ErrBacklog
	}
	m, err := protocol.Decode(body)
	if err != nil {
		r.t.Error(err)
	}
	switch m := m.(type) {
	case protocol.Snapshot:
		r.snapshots++
		r.m = m.Map
	case protocol.Delta:
		r.deltas++
		next, err := r.m.Apply(m.Delta)
		if err != nil {
			r.t.Error(err)
			return nil
		}
		r.m = next
	case protocol.Beat:
		r.beats++
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return nil
}

func (r *reader) set(slow bool) {
	r.mu.Lock()
	r.slow = slow
	r.mu.Unlock()
}

// until waits until the reader is as wanted.
func (r *reader) until(what string, is func(r *reader) bool) {
	r.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		ok := is(r)
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-timeout:
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func at(version uint64) func(*reader) bool {
	return func(r *reader) bool { return r.m.Version == version }
}

// source is a map that the test changes.
type source struct {
	current atomic.Pointer[partition.Map]
	held    atomic.Bool
	changed chan struct{}
}

func (s *source) bump(id partition.ID) uint64 {
	next := *s.current.Load()
	next.Version += 10
	next.Partitions = append([]partition.Configuration(nil), next.Partitions...)
	next.Partitions[id].Epoch++
	s.current.Store(&next)
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return next.Version
}

func runStream(t *testing.T, lost func(s *mapStream, have partition.Stamp)) (*mapStream, *source) {
	src := &source{changed: make(chan struct{}, 1)}
	src.current.Store(&partition.Map{Version: 100, ClusterID: "c", Partitions: make([]partition.Configuration, 64)})
	var s *mapStream
	s = newMapStream(src.current.Load, func(m *partition.Map) protocol.Beat { return protocol.Beat{Version: m.Version} },
		func(have partition.Stamp) state.Descent {
			switch {
			case have.Version > src.current.Load().Version:
				return state.Later
			case have.History != 0:
				return state.Foreign
			}
			return state.Known
		},
		func(have partition.Stamp) { lost(s, have) }, src.held.Load)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { s.run(ctx, src.changed, 20*time.Millisecond) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return s, src
}

func TestAFollowerGetsASnapshotThenDeltas(t *testing.T) {
	t.Parallel()
	s, src := runStream(t, func(*mapStream, partition.Stamp) { t.Error("lost") })
	r := newReader(t)
	s.follow(r, protocol.Follow{})
	r.until("the snapshot", at(100))
	for range 20 {
		version := src.bump(3)
		r.until("the delta", at(version))
	}
	r.until("beats", func(r *reader) bool { return r.beats > 2 })
	if r.snapshots != 1 || r.deltas != 20 {
		t.Errorf("%d snapshots, %d deltas", r.snapshots, r.deltas)
	}

	// Who was away for a moment goes on with deltas; who was for long, or
	// never there, gets all of it.
	again := newReader(t)
	again.m = &partition.Map{Version: 150, Partitions: make([]partition.Configuration, 64)}
	s.follow(again, protocol.Follow{Have: partition.Stamp{Version: 150}})
	again.until("what it missed", at(300))
	if again.snapshots != 0 {
		t.Errorf("%d snapshots", again.snapshots)
	}
	stranger := newReader(t)
	s.follow(stranger, protocol.Follow{Have: partition.Stamp{Version: 155}})
	stranger.until("the snapshot", at(300))
	if stranger.snapshots != 1 {
		t.Errorf("%d snapshots", stranger.snapshots)
	}
	s.leave(r)
	s.leave(again)
	if n := s.count(); n != 1 {
		t.Errorf("%d followers", n)
	}
}

// While our map may be old, followers keep the map that they have. A follower without
// one gets ours.
func TestAMapThatIsHeldGoesToThoseWithoutOne(t *testing.T) {
	t.Parallel()
	s, src := runStream(t, func(*mapStream, partition.Stamp) { t.Error("lost") })
	has, newcomer := newReader(t), newReader(t)
	s.follow(has, protocol.Follow{})
	has.until("the snapshot", at(100))
	src.held.Store(true)
	version := src.bump(1)
	s.follow(newcomer, protocol.Follow{})
	newcomer.until("the snapshot", at(version))
	beats := 0
	has.until("a beat after that", func(r *reader) bool { beats = r.beats; return beats > 0 })
	has.until("two more", func(r *reader) bool { return r.beats > beats+2 })
	if has.m.Version != 100 {
		t.Errorf("it was sent version %d", has.m.Version)
	}
	src.held.Store(false)
	has.until("what it missed", at(version))
}

func TestASlowFollowerIsDroppedToASnapshot(t *testing.T) {
	t.Parallel()
	s, src := runStream(t, func(*mapStream, partition.Stamp) { t.Error("lost") })
	slow, quick := newReader(t), newReader(t)
	s.follow(slow, protocol.Follow{})
	s.follow(quick, protocol.Follow{})
	slow.until("the snapshot", at(100))
	slow.set(true)
	var last uint64
	for range 5 {
		last = src.bump(1)
		quick.until("deltas although another is slow", at(last))
	}
	slow.set(false)
	slow.until("the newest map", at(last))
	if slow.snapshots != 2 || slow.deltas != 0 {
		t.Errorf("%d snapshots, %d deltas", slow.snapshots, slow.deltas)
	}
}

// A follower that has a newer map keeps it: whoever proves that it is of a history
// that is gone freezes the map.
func TestAFollowerAheadIsToldOfAndSentNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s, src := runStream(t, func(_ *mapStream, have partition.Stamp) {
		if have.Version != 101 {
			t.Errorf("lost a follower at %v", have)
		}
		asked.Add(1)
	})
	r := newReader(t)
	r.m = &partition.Map{Version: 101, Partitions: make([]partition.Configuration, 64)}
	s.follow(r, protocol.Follow{Have: partition.Stamp{Version: 101}})
	r.until("the question", func(*reader) bool { return asked.Load() > 2 })
	if r.snapshots != 0 {
		t.Errorf("%d snapshots of an older map", r.snapshots)
	}
	r.until("a map above its own", at(src.bump(1)))
}

// Who has the map of another cluster does not make this one wait for recover-map: it
// called before this one was founded, and is told when it calls again.
func TestAFollowerOfAnotherClusterIsSentAway(t *testing.T) {
	t.Parallel()
	s, src := runStream(t, func(*mapStream, partition.Stamp) { t.Error("lost a follower of another cluster") })
	for _, version := range []uint64{0, 1, 100, 108} {
		r := newReader(t)
		s.follow(r, protocol.Follow{Have: partition.Stamp{Version: version}, ClusterID: "d"})
		r.until("its connection is closed", func(r *reader) bool { return r.closed })
		if r.snapshots+r.deltas+r.beats > 0 {
			t.Errorf("version %d: %d snapshots, %d deltas, %d beats to another cluster", version, r.snapshots, r.deltas, r.beats)
		}
	}
	own := newReader(t)
	s.follow(own, protocol.Follow{ClusterID: "c"})
	own.until("the map", at(src.bump(1)))
}

// Who has a map of another history gets nothing that continues it, whichever version
// that is, and no beat from which it would take it that all is well.
func TestAFollowerOfAnotherHistoryIsToldOfAndSentNothing(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s, src := runStream(t, func(_ *mapStream, have partition.Stamp) {
		if have.History != 7 {
			t.Errorf("lost a follower at %v", have)
		}
		asked.Add(1)
	})
	at100, behind := newReader(t), newReader(t)
	s.follow(at100, protocol.Follow{Have: partition.Stamp{Version: 100, History: 7}})
	s.follow(behind, protocol.Follow{Have: partition.Stamp{Version: 50, History: 7}, Whole: true})
	quick := newReader(t)
	s.follow(quick, protocol.Follow{})
	quick.until("the next map", at(100))
	last := src.bump(1)
	quick.until("the next map", at(last))
	quick.until("beats", func(r *reader) bool { return r.beats > 2 })
	if asked.Load() < 4 {
		t.Errorf("told %d times", asked.Load())
	}
	for _, r := range []*reader{at100, behind} {
		r.mu.Lock()
		if r.snapshots+r.deltas+r.beats > 0 {
			t.Errorf("%d snapshots, %d deltas, %d beats", r.snapshots, r.deltas, r.beats)
		}
		r.mu.Unlock()
	}
}

func TestALongHistoryIsBounded(t *testing.T) {
	t.Parallel()
	s, src := runStream(t, func(*mapStream, partition.Stamp) {})
	r := newReader(t)
	s.follow(r, protocol.Follow{})
	var last uint64
	for range historyLength + 50 {
		last = src.bump(2)
		r.until("a delta", at(last))
	}
	old := newReader(t)
	old.m = &partition.Map{Version: 110, Partitions: make([]partition.Configuration, 64)}
	s.follow(old, protocol.Follow{Have: partition.Stamp{Version: 110}})
	old.until("the newest map", at(last))
	if old.snapshots != 1 || old.deltas != 0 {
		t.Errorf("%d snapshots, %d deltas", old.snapshots, old.deltas)
	}
}
