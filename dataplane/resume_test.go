package dataplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// breakKind is what becomes of the part at which a connection breaks.
type breakKind string

const (
	partLost   breakKind = "the part is lost"
	answerLost breakKind = "the answer is lost"
	partLate   breakKind = "the part comes when the stream has gone on"
	partAtWork breakKind = "the part is still worked on"
)

// streamed is a sender and a receiver of snapshots, with storage of their own, and
// the connection between them.
type streamed struct {
	t         *testing.T
	sending   *sending
	receiving *receiving
	source    *storage.Engine
	dir       string // the receiver's
	ended     chan error
	received  chan struct{} // closed when a stream has ended at the receiver

	mu        sync.Mutex
	session   *session
	breakAt   int // the part of that number breaks the connection
	how       breakKind
	down      bool // there is no other connection
	late      func()
	asked     chan struct{} // closed when the receiver has been asked how far it is
	delivered []part
	installed *storage.Table
	counted   []string
}

func (s *streamed) note(outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted = append(s.counted, outcome)
}

// link is the sender's end of the connection.
type streamedLink struct {
	transport.Link
	s *streamed
}

// Call implements transport.Conn.
func (l streamedLink) Call(body []byte, _ time.Duration, done func([]byte, error)) {
	s := l.s
	body = slices.Clone(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		done(nil, transport.ErrDown)
		return
	}
	on := s.session
	deliver := func(reply func([]byte)) { s.receiving.request(on, body, reply) }
	kind := part(body[0])
	if kind == partResume {
		deliver(func(b []byte) { done(b, nil) })
		if s.asked != nil {
			close(s.asked)
			s.asked = nil
		}
		if s.late != nil {
			s.late()
			s.late = nil
		}
		return
	}
	s.delivered = append(s.delivered, kind)
	if len(s.delivered) != s.breakAt+1 {
		deliver(func(b []byte) { done(b, nil) })
		return
	}
	broken := func() {
		s.receiving.gone(on)
		s.session = &session{peer: on.peer}
		done(nil, transport.ErrBroken)
	}
	switch s.how {
	case partLost:
		broken()
	case partAtWork:
		deliver(func([]byte) {})
		broken()
	case answerLost:
		deliver(func([]byte) {
			go func() {
				if kind == partEnd {
					<-s.received // the receiver has let go of the stream
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				broken()
			}()
		})
	case partLate:
		s.late = func() {
			deliver(func(b []byte) {
				if err := decodePartAnswer(b); err == nil {
					s.t.Error("a part that came late was taken")
				}
			})
		}
		// The receiver has not noticed yet that the connection is gone.
		s.session = &session{peer: on.peer}
		done(nil, transport.ErrBroken)
	}
}

const streamedValues = 250

func newStreamed(t *testing.T) *streamed {
	t.Helper()
	engine := func(node partition.NodeID) (*storage.Engine, string) {
		dir := t.TempDir()
		e, err := storage.Open(storage.Options{Dir: dir, NodeID: node, ScrubRate: -1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := e.Close(); err != nil {
				t.Error(err)
			}
		})
		return e, dir
	}
	source, _ := engine("n1")
	target, dir := engine("n2")
	table := source.OpenPartition(5, 1)
	noise := rand.NewChaCha8([32]byte{1})
	var entries []*entry.Entry
	for i := range streamedValues {
		value := make([]byte, 900)
		_, _ = noise.Read(value)
		entries = append(entries, &entry.Entry{
			Position: entry.Position{Sequence: uint64(i + 1), Epoch: 1}, Kind: entry.Put, Key: []byte(fmt.Sprintf("key-%04d", i)), Value: value,
		})
	}
	table.Apply(entries)

	s := &streamed{t: t, source: source, dir: dir, ended: make(chan error, 1), received: make(chan struct{}), breakAt: -1}
	s.session = &session{peer: replica.Peer{Node: "n1", Store: 1, Start: partition.Start{Incarnation: 1}}}
	ctx, cancel := context.WithCancel(context.Background())
	s.sending = &sending{
		stands: func(replica.SnapshotOrder) bool { return true },
		open:   source.Snapshot, link: func(partition.NodeID) transport.Link { return streamedLink{s: s} },
		sent:  func(_ replica.SnapshotOrder, err error) { s.ended <- err },
		count: func(outcome string) { s.note("out " + outcome) }, logger: slog.New(slog.DiscardHandler),
		packer: testPacker(t), rate: newThrottle(), ctx: ctx,
	}
	s.receiving = &receiving{
		create: target.Receive, packer: s.sending.packer, partitions: 8, open: map[receivingKey]*receivedStream{},
		wants:  func(_ replica.SnapshotMeta, done func(bool)) { done(true) },
		begins: func(_ replica.SnapshotMeta, done func(bool)) { done(true) },
		kept:   func(replica.SnapshotMeta) {},
		installed: func(_ replica.SnapshotMeta, table *storage.Table, done func()) {
			s.mu.Lock()
			s.installed = table
			s.mu.Unlock()
			done()
		},
		count: func(outcome string) {
			s.note("in " + outcome)
			if outcome == "done" {
				close(s.received)
			}
		},
	}
	t.Cleanup(func() {
		cancel()
		s.sending.wait()
		s.receiving.close()
	})
	return s
}

// check compares what was installed.
func (s *streamed) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.installed == nil {
		t.Fatal("nothing is installed")
	}
	for i := range streamedValues {
		if _, _, ok, err := s.installed.Get([]byte(fmt.Sprintf("key-%04d", i))); !ok || err != nil {
			t.Fatalf("key %d: %v, %v", i, ok, err)
		}
	}
}

// A connection breaks at each part of a snapshot in turn. The snapshot goes on
// where it was: nothing but the part that was lost is sent again.
func TestASnapshotGoesOnWhereItsConnectionBroke(t *testing.T) {
	t.Parallel()
	const parts = 6 // the beginning, four chunks, the end
	for at := 1; at < parts; at++ {
		for _, how := range []breakKind{partLost, answerLost, partLate} {
			t.Run(fmt.Sprintf("part %d: %s", at, how), func(t *testing.T) {
				t.Parallel()
				s := newStreamed(t)
				s.breakAt, s.how = at, how
				s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1})
				err := <-s.ended
				s.check(t)
				lastTaken := at == parts-1 && how == answerLost
				if lastTaken { // the stream has ended there: the learner's next answer tells
					if !errors.Is(err, errNoStream) {
						t.Errorf("the sender sees %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				want := []part{partBegin, partChunk, partChunk, partChunk, partChunk, partEnd}
				if how != answerLost {
					want = slices.Insert(want, at, want[at])
				}
				if !slices.Equal(s.delivered, want) {
					t.Errorf("parts sent: %v, want %v", s.delivered, want)
				}
				if !slices.Contains(s.counted, "out resumed") {
					t.Errorf("counted %q", s.counted)
				}
			})
		}
	}
}

// The connection breaks while the receiver puts the snapshot in its place: it says
// so to the next.
func TestTheEndOfASnapshotIsLearntOnTheNextConnection(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	s.breakAt, s.how = 5, partAtWork
	asked := make(chan struct{})
	s.asked = asked
	s.receiving.begins = func(_ replica.SnapshotMeta, done func(bool)) {
		<-asked
		done(true)
	}
	s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1})
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
	s.check(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.delivered) != 6 {
		t.Errorf("parts sent: %v", s.delivered)
	}
}

// A connection breaks and does not come back: both sides let go, and nothing that
// was half received is left.
func TestASnapshotEndsWhereNoConnectionComesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStreamed(t)
		s.breakAt, s.how = 3, partLost
		old := s.session
		began := time.Now()
		s.sending.link = func(partition.NodeID) transport.Link {
			s.mu.Lock()
			s.down = s.session != old
			s.mu.Unlock()
			return streamedLink{s: s}
		}
		s.sending.order(replica.SnapshotOrder{Partition: 5, To: "n2", Epoch: 1, ID: 1})
		if err := <-s.ended; !errors.Is(err, transport.ErrDown) {
			t.Errorf("the sender sees %v", err)
		}
		if took := time.Since(began); took > resumeWithin+2*time.Second {
			t.Errorf("it gave up after %v", took)
		}
		<-time.After(resumeWithin)
		synctest.Wait()
		if s.installed != nil {
			t.Error("half a snapshot was installed")
		}
		files, err := filepath.Glob(filepath.Join(s.dir, "partitions", "*"))
		if err != nil || len(files) > 0 {
			t.Errorf("left: %v, %v", files, err)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "partitions")); err != nil {
			t.Error(err)
		}
	})
}

// Another boot of the sender, or one of another snapshot, does not go on with a
// stream: parts of two would be mixed.
func TestOnlyWhoBeganASnapshotGoesOn(t *testing.T) {
	t.Parallel()
	s := newStreamed(t)
	ask := func(from *session, b []byte) error {
		_, err := decodeResumeAnswer(s.request(from, b))
		return err
	}
	o := *orderOf(1, 1, 9)
	if err := decodePartAnswer(s.request(s.session, o.of(partBegin))); err != nil {
		t.Fatal(err)
	}
	s.receiving.gone(s.session)
	reborn := s.session.peer
	reborn.Start.Incarnation++
	if err := ask(&session{peer: reborn}, o.of(partResume)); err == nil {
		t.Error("a later boot goes on")
	}
	again := &session{peer: s.session.peer}
	other := o
	other.order.ID = 2
	if err := ask(again, other.of(partResume)); err == nil {
		t.Error("another stream goes on")
	}
	for _, change := range []func(m *replica.SnapshotMeta){
		func(m *replica.SnapshotMeta) { m.Epoch++ },
		func(m *replica.SnapshotMeta) { m.Lineage++ },
		func(m *replica.SnapshotMeta) { m.Applied.Sequence-- },
		func(m *replica.SnapshotMeta) { m.Applied.Epoch++ },
	} {
		other := o
		change(&other.meta)
		if err := ask(again, other.of(partResume)); err == nil {
			t.Errorf("a snapshot of %+v goes on where one of %+v is", other.meta, o.meta)
		}
	}
	if err := ask(again, appendPart(nil, partResume, o.id())); err == nil {
		t.Error("one that does not say of what it is goes on")
	}
	if err := ask(again, o.of(partResume)); err != nil {
		t.Errorf("the same boot does not: %v", err)
	}
}
