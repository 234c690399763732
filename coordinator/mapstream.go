package coordinator

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// historyLength is how many deltas are kept for followers that were away for a
// moment; whoever is further behind gets a snapshot.
const historyLength = 256

// retrySlow is how long a follower that takes nothing is left alone.
const retrySlow = 100 * time.Millisecond

// mapStream sends the map that this coordinator has applied to everybody who
// follows it. One goroutine sends; each change is encoded once for all.
type mapStream struct {
	current func() *partition.Map
	beat    func(m *partition.Map) protocol.Beat
	// lost is told of followers whose map is newer than ours.
	lost func(since uint64)
	wake chan struct{}

	mu struct {
		sync.Mutex
		followers map[transport.Conn]*follower
	}
	// The rest belongs to the sending goroutine.
	last     *partition.Map
	history  []encodedDelta // each continues the one before
	snapshot []byte         // of version snapshotOf, without reset
	whole    uint64
}

type encodedDelta struct {
	since, version uint64
	body           []byte
}

type follower struct {
	conn  transport.Conn
	since uint64
	// slow: it took nothing until then, and is sent a snapshot next.
	slow time.Time
}

func newMapStream(current func() *partition.Map, beat func(*partition.Map) protocol.Beat, lost func(uint64)) *mapStream {
	s := &mapStream{current: current, beat: beat, lost: lost, wake: make(chan struct{}, 1)}
	s.mu.followers = make(map[transport.Conn]*follower)
	return s
}

// follow begins a connection's stream, or moves it to another version.
func (s *mapStream) follow(conn transport.Conn, since uint64) {
	s.mu.Lock()
	s.mu.followers[conn] = &follower{conn: conn, since: since}
	s.mu.Unlock()
	s.poke()
}

// leave ends a connection's stream, if it has one.
func (s *mapStream) leave(conn transport.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.followers, conn)
}

// count is how many streams there are.
func (s *mapStream) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.followers)
}

func (s *mapStream) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run sends until ctx ends: at once when changed has an element, and a beat at
// every interval.
func (s *mapStream) run(ctx context.Context, changed <-chan struct{}, interval time.Duration) {
	s.last = s.current()
	beats := time.NewTicker(interval)
	defer beats.Stop()
	slow := time.NewTicker(retrySlow)
	defer slow.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-s.wake:
		case <-slow.C:
		case <-beats.C:
			s.advance()
			s.sendAll(protocol.Encode(s.beat(s.last)))
			continue
		}
		s.advance()
		s.sendAll(nil)
	}
}

// advance takes in the newest map, with the delta that leads to it.
func (s *mapStream) advance() {
	m := s.current()
	if m == s.last {
		return
	}
	if m.Version <= s.last.Version || s.last.ClusterID == "" {
		s.history = nil // a restored map, or the first
	} else {
		d := protocol.Encode(protocol.Delta{Delta: partition.DeltaOf(s.last, m)})
		if len(s.history) == historyLength {
			s.history = append(s.history[:0:0], s.history[historyLength/2:]...)
		}
		s.history = append(s.history, encodedDelta{since: s.last.Version, version: m.Version, body: d})
	}
	s.last = m
}

// sendAll brings every follower up to date, and then sends it the beat.
func (s *mapStream) sendAll(beat []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for conn, f := range s.mu.followers {
		if !f.slow.IsZero() && now.Before(f.slow) {
			continue
		}
		err := s.bring(f)
		if err == nil && beat != nil {
			err = f.conn.Send(beat)
		}
		switch {
		case err == nil:
			f.slow = time.Time{}
		case errors.Is(err, transport.ErrBacklog):
			f.slow = now.Add(retrySlow)
		default:
			// The connection is gone, or the map is too large for it: a
			// follower that comes back says where it stands.
			delete(s.mu.followers, conn)
			_ = conn.Close()
		}
	}
}

// bring sends a follower what it lacks. The caller holds mu.
func (s *mapStream) bring(f *follower) error {
	version := s.last.Version
	switch {
	case s.last.ClusterID == "" || f.since == version:
		return nil
	case f.since > version:
		s.lost(f.since)
		return nil
	}
	if f.slow.IsZero() {
		for i := s.position(f.since); i < len(s.history); i++ {
			if err := f.conn.Send(s.history[i].body); err != nil {
				return err
			}
			f.since = s.history[i].version
		}
		if f.since == version {
			return nil
		}
	}
	if s.snapshot == nil || s.whole != version {
		s.snapshot, s.whole = protocol.Encode(protocol.Snapshot{Map: s.last}), version
	}
	if err := f.conn.Send(s.snapshot); err != nil {
		return err
	}
	f.since = version
	return nil
}

// position is the index of the delta that continues version; len(history)
// where there is none.
func (s *mapStream) position(version uint64) int {
	for i := len(s.history) - 1; i >= 0; i-- {
		if s.history[i].since == version {
			return i
		}
	}
	return len(s.history)
}
