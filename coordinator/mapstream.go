package coordinator

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
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
	// descent tells how a follower's map relates to ours; lost is told of those that
	// have one which is none of ours.
	descent func(have partition.Stamp) state.Descent
	lost    func(have partition.Stamp)
	// held reports whether our map may be older than the followers' maps. It is sent
	// only to followers that have none.
	held func() bool
	wake chan struct{}

	mu struct {
		sync.Mutex
		followers map[transport.Conn]*follower
	}
	// The rest belongs to the sending goroutine.
	last     *partition.Map
	history  []encodedDelta // each continues the one before
	snapshot []byte         // of the map that whole names
	whole    partition.Stamp
	frozen   bool // the last beat said that the map is behind
}

type encodedDelta struct {
	since, until partition.Stamp
	body         []byte
}

type follower struct {
	conn transport.Conn
	have partition.Stamp
	// cluster is whose map that is; "" if the follower has none and knows of none.
	cluster string
	// judged: have is a map of ours. Lost: it is not, nothing continues it, and the
	// follower hears nothing from which it would conclude that all is well.
	judged, lost bool
	whole        bool // it asked for a snapshot
	// slow: it took nothing until then, and is sent a snapshot next.
	slow time.Time
}

var errOtherCluster = errors.New("the follower belongs to another cluster")

func newMapStream(
	current func() *partition.Map, beat func(*partition.Map) protocol.Beat,
	descent func(partition.Stamp) state.Descent, lost func(partition.Stamp), held func() bool,
) *mapStream {
	s := &mapStream{current: current, beat: beat, descent: descent, lost: lost, held: held, wake: make(chan struct{}, 1)}
	s.mu.followers = make(map[transport.Conn]*follower)
	return s
}

// follow begins a connection's stream, or moves it to another map.
func (s *mapStream) follow(conn transport.Conn, m protocol.Follow) {
	s.mu.Lock()
	s.mu.followers[conn] = &follower{conn: conn, have: m.Have, cluster: m.ClusterID, whole: m.Whole}
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
			beat := s.beat(s.last)
			s.frozen = beat.Behind != 0
			s.sendAll(protocol.Encode(beat))
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
		s.judgeAgain()
	} else {
		d := protocol.Encode(protocol.Delta{Delta: partition.DeltaOf(s.last, m)})
		if len(s.history) == historyLength {
			s.history = append(s.history[:0:0], s.history[historyLength/2:]...)
		}
		s.history = append(s.history, encodedDelta{since: s.last.Stamp(), until: m.Stamp(), body: d})
	}
	s.last = m
}

// judgeAgain has every follower judged by the map that is now ours.
func (s *mapStream) judgeAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.mu.followers {
		f.judged = false
	}
}

// sendAll brings every follower up to date, and then sends it the beat.
func (s *mapStream) sendAll(beat []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, held := time.Now(), s.held()
	for conn, f := range s.mu.followers {
		if !f.slow.IsZero() && now.Before(f.slow) {
			continue
		}
		err := s.bring(f, held)
		if err == nil && beat != nil && (!f.lost || s.frozen) {
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
func (s *mapStream) bring(f *follower, held bool) error {
	newest := s.last.Stamp()
	if s.last.ClusterID == "" {
		return nil
	}
	if f.cluster != "" && f.cluster != s.last.ClusterID {
		// It came before this cluster was founded. Its map says nothing of ours; it is
		// told so when it calls again.
		return errOtherCluster
	}
	if f.have == newest && !f.whole {
		return nil
	}
	if !f.judged && !s.ours(f) || held && f.have.Version > 0 {
		return nil
	}
	if f.slow.IsZero() && !f.whole {
		for i := s.position(f.have); i < len(s.history); i++ {
			if err := f.conn.Send(s.history[i].body); err != nil {
				return err
			}
			f.have = s.history[i].until
		}
		if f.have == newest {
			return nil
		}
	}
	if s.snapshot == nil || s.whole != newest {
		s.snapshot, s.whole = protocol.Encode(protocol.Snapshot{Map: s.last}), newest
	}
	if err := f.conn.Send(s.snapshot); err != nil {
		return err
	}
	f.have, f.whole = newest, false
	return nil
}

// ours reports whether the map that a follower came with is one of this history, or
// older than all that are remembered. The caller holds mu.
func (s *mapStream) ours(f *follower) bool {
	switch s.descent(f.have) {
	case state.Known:
		f.judged, f.lost = true, false
	case state.Later:
		s.lost(f.have)
	case state.Foreign:
		f.lost = true
		s.lost(f.have)
	}
	return f.judged
}

// position is the index of the delta that continues a map; len(history) where there
// is none.
func (s *mapStream) position(have partition.Stamp) int {
	for i := len(s.history) - 1; i >= 0; i-- {
		if s.history[i].since == have {
			return i
		}
	}
	return len(s.history)
}
