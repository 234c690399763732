package dataplane

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// request hands the receiver a part as from a connection, and returns its answer.
func (s *streamed) request(from *session, b []byte) []byte {
	answer := make(chan []byte, 1)
	s.receiving.request(from, b, func(reply []byte) { answer <- slices.Clone(reply) })
	return <-answer
}

func orderOf(epoch partition.Epoch, id, at uint64) *outgoing {
	o := &outgoing{order: replica.SnapshotOrder{Partition: 5, ID: id}, meta: replica.SnapshotMeta{Epoch: epoch, Lineage: 1}}
	o.meta.Applied.Sequence = at
	return o
}

// smallOnly is a path on which small messages come through, and chunks break the
// connection.
type smallOnly struct {
	transport.Link
	s *streamed

	mu     sync.Mutex
	breaks int
}

// Call implements transport.Conn.
func (l *smallOnly) Call(body []byte, _ time.Duration, done func([]byte, error)) {
	s := l.s
	if part(body[0]) != partChunk {
		s.mu.Lock()
		on := s.session
		s.mu.Unlock()
		s.receiving.request(on, slices.Clone(body), func(b []byte) { done(b, nil) })
		return
	}
	time.AfterFunc(10*time.Second, func() {
		s.mu.Lock()
		on := s.session
		s.session = &session{peer: on.peer, number: on.number + 1}
		s.mu.Unlock()
		l.mu.Lock()
		l.breaks++
		l.mu.Unlock()
		s.receiving.gone(on)
		done(nil, transport.ErrBroken)
	})
}

// A stream that makes no progress is given up: what comes after it is kept in
// memory as long as it lasts.
func TestAStreamThatMakesNoProgressEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreamed(t)
		l := &smallOnly{s: s}
		s.sending.link = func(partition.NodeID) transport.Link { return l }
		began := time.Now()
		s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1})
		err := <-s.ended
		if took := time.Since(began); !interrupted(err) || took > 2*time.Minute {
			t.Errorf("it ends after %v: %v", took, err)
		}
		if l.breaks != breaksInAPart+1 {
			t.Errorf("its connection broke %d times", l.breaks)
		}
		synctest.Wait()
		s.receiving.mu.Lock()
		defer s.receiving.mu.Unlock()
		if len(s.receiving.open) > 0 {
			t.Error("the receiver waits for more")
		}
	})
}

// One that is only slow is not given up: at a kilobyte a second a value of 8 MiB
// takes more than two hours.
func TestASlowStreamIsNotGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreamed(t)
		o := orderOf(1, 1, 9)
		if err := decodePartAnswer(s.request(s.session, o.of(partBegin))); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Hour)
		if _, err := decodeResumeAnswer(s.request(s.session, o.of(partResume))); err != nil {
			t.Error(err)
		}
	})
}

// deaf is a connection on which nothing is ever answered.
type deaf struct{ transport.Link }

// Call implements transport.Conn.
func (deaf) Call([]byte, time.Duration, func([]byte, error)) {}

// A stream that goes on after a break does not wait for those that began meanwhile:
// what comes after it is kept all that time.
func TestAStreamThatGoesOnWaitsForNoOther(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	s.breakAt, s.how = 2, partLost
	s.sending.link = func(to partition.NodeID) transport.Link {
		if to != "n2" {
			return deaf{}
		}
		return streamedLink{s: s}
	}
	s.sending.sent = func(o replica.SnapshotOrder, err error) {
		if o.To == "n2" {
			s.ended <- err
		}
	}
	for i, to := range []partition.NodeID{"n2", "n3", "n4", "n5"} {
		s.sending.order(replica.SnapshotOrder{Partition: 5, To: to, Epoch: 1, ID: uint64(i + 1)})
	}
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
	s.check(t)
	s.sending.mu.Lock()
	defer s.sending.mu.Unlock()
	if s.sending.running > sendersAtOnce+resumedAtOnce || len(s.sending.waiting) == 0 {
		t.Errorf("%d streams at once, %d wait", s.sending.running, len(s.sending.waiting))
	}
}

// A sender that fails for a reason of its own leaves the receiver's half behind on a
// connection that lasts: it takes one of the places there are.
func TestAStreamThatIsLeftAloneEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreamed(t)
		if err := decodePartAnswer(s.request(s.session, orderOf(1, 1, 9).of(partBegin))); err != nil {
			t.Fatal(err)
		}
		<-time.After(streamIdle + time.Second)
		synctest.Wait()
		s.receiving.mu.Lock()
		defer s.receiving.mu.Unlock()
		if len(s.receiving.open) != 0 {
			t.Errorf("%d of %d places are still taken", len(s.receiving.open), receiversAtOnce)
		}
	})
}

// An order of an earlier primary, or an earlier one of the same, that comes late does
// not end the stream of the present one.
func TestALateOrderEndsNoLaterStream(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	present := orderOf(7, 2, 9)
	if err := decodePartAnswer(s.request(s.session, present.of(partBegin))); err != nil {
		t.Fatal(err)
	}
	earlier := &session{peer: replica.Peer{Node: "n3", Store: 3, Start: partition.Start{Incarnation: 1}}}
	if err := decodePartAnswer(s.request(earlier, orderOf(3, 5, 2).of(partBegin))); err == nil {
		t.Error("an order of an earlier epoch begins")
	}
	if err := decodePartAnswer(s.request(s.session, orderOf(7, 1, 8).of(partBegin))); err == nil {
		t.Error("an earlier order of the same primary begins")
	}
	if _, err := decodeResumeAnswer(s.request(s.session, present.of(partResume))); err != nil {
		t.Errorf("the present stream: %v", err)
	}
	if err := decodePartAnswer(s.request(s.session, orderOf(7, 3, 9).of(partBegin))); err != nil {
		t.Errorf("a later order: %v", err)
	}
}

// The question how far a stream is comes late, on a connection that has broken since:
// the stream stays with the later one.
func TestALateQuestionMovesNoStreamBack(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	o := orderOf(1, 1, 9)
	on := func(number uint64) *session { return &session{peer: s.session.peer, number: number} }
	first, second, third := on(1), on(2), on(3)
	if err := decodePartAnswer(s.request(first, o.of(partBegin))); err != nil {
		t.Fatal(err)
	}
	if _, err := decodeResumeAnswer(s.request(third, o.of(partResume))); err != nil {
		t.Fatal(err)
	}
	if _, err := decodeResumeAnswer(s.request(second, o.of(partResume))); err == nil {
		t.Error("it goes back to the second connection")
	}
	if _, err := decodeResumeAnswer(s.request(third, o.of(partResume))); err != nil {
		t.Errorf("it is gone from the third: %v", err)
	}
}

// What is ordered and does not stand any more when its turn comes is not begun.
func TestAnOrderThatDoesNotStandIsNotBegun(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	s.sending.stands = func(o replica.SnapshotOrder) bool { return o.ID > 1 }
	s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1})
	if err := <-s.ended; outcomeOf(err) != "unwanted" {
		t.Errorf("it ends with %v", err)
	}
	s.mu.Lock()
	if len(s.delivered) > 0 {
		t.Errorf("parts sent: %v", s.delivered)
	}
	s.mu.Unlock()
	s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 2})
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.check(t)
}

// The connection breaks and is back while the sender waits for the throttle: it has
// seen nothing of that, and its next part comes to somebody who knows of no snapshot.
func TestAStreamWhoseConnectionBreaksInAPauseGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreamed(t)
		s.sending.rate.set(16 << 10) // 4 s for a chunk
		s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1})
		<-time.After(6 * time.Second)
		s.mu.Lock()
		old := s.session
		s.session = &session{peer: old.peer, number: old.number + 1}
		s.mu.Unlock()
		s.receiving.gone(old)
		if err := <-s.ended; err != nil {
			t.Fatal(err)
		}
		s.check(t)
	})
}

// knowing is a receiver that has so many parts of every snapshot.
type knowing struct {
	transport.Link
	taken uint64
}

// Call implements transport.Conn.
func (k knowing) Call(_ []byte, _ time.Duration, done func([]byte, error)) {
	done(resumeAnswer(k.taken), nil)
}

// Streams that go on wait for their turn in the order in which they came, before
// those that have not begun.
func TestStreamsGoOnInOrder(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	s.sending.link = func(partition.NodeID) transport.Link { return knowing{taken: 2} }
	s.sending.running = sendersAtOnce + resumedAtOnce // all places are taken
	s.sending.order(replica.SnapshotOrder{Partition: 5, ID: 1})
	for id := uint64(2); id <= 3; id++ {
		s.sending.resume(&outgoing{order: replica.SnapshotOrder{Partition: 5, ID: id}, parts: 3})
	}
	var order []uint64
	for _, o := range s.sending.waiting {
		order = append(order, o.order.ID)
	}
	if !slices.Equal(order, []uint64{2, 3, 1}) {
		t.Errorf("their order is %v", order)
	}
}

// forgetful is a receiver that knows of every snapshot when it is asked, and of none
// when a chunk comes.
type forgetful struct {
	transport.Link
	chunks int
}

// Call implements transport.Conn.
func (f *forgetful) Call(body []byte, _ time.Duration, done func([]byte, error)) {
	switch part(body[0]) {
	case partChunk:
		f.chunks++
		done(partAnswer(errNoStream), nil)
	case partResume:
		done(resumeAnswer(1), nil)
	case partBegin, partEnd, partGivenUp:
		done(partAnswer(nil), nil)
	}
}

// A stream that stops at one part again and again ends, whatever stops it.
func TestAStreamThatStopsForEverEnds(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	l := &forgetful{}
	s.sending.link = func(partition.NodeID) transport.Link { return l }
	s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1})
	if err := <-s.ended; !errors.Is(err, errNoStream) || l.chunks != stopsAtAPart+1 {
		t.Errorf("after %d attempts: %v", l.chunks, err)
	}
}
