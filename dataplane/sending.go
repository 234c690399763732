package dataplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// sendersAtOnce is how many snapshots a node streams out at a time; more orders
// wait. partTimeout is how long the answer to one part may take: a whole
// partition is written and synced before the last one.
const (
	sendersAtOnce = 2
	resumedAtOnce = 2 // more, which go on after a break: they do not wait for those that began meanwhile
	partTimeout   = time.Minute
)

// breaksInAPart is how often a connection may break in one part of a snapshot before
// it is given up: where only small messages come through, it would go on for ever,
// and entries be kept for it.
const breaksInAPart = 3

// stopsAtAPart is how often a stream may stop at one part for whatever reason: with its
// turn to wait for each time, and a connection that is another by then, it would go on
// for ever.
const stopsAtAPart = 20

// sending streams snapshots to learners, as replicas order them.
type sending struct {
	// stands asks the partition's replica whether an order still does; its stream
	// begins then.
	stands func(order replica.SnapshotOrder) bool
	open   func(partition.ID) (*storage.Snapshot, error)
	link   func(to partition.NodeID) transport.Link // nil where there is none
	sent   func(order replica.SnapshotOrder, err error)
	count  func(outcome string)
	logger *slog.Logger
	packer *packer
	rate   *throttle

	ctx     context.Context // ends with the node
	workers sync.WaitGroup

	mu      sync.Mutex
	waiting []*outgoing
	running int
}

// order streams a snapshot as soon as there is room. It does not block.
func (s *sending) order(o replica.SnapshotOrder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(s.waiting, &outgoing{order: o})
	s.hire()
}

// places is how many workers there may be for what comes next. Caller holds mu.
func (s *sending) places() int {
	if len(s.waiting) > 0 && s.waiting[0].parts > 0 {
		return sendersAtOnce + resumedAtOnce
	}
	return sendersAtOnce
}

// hire starts a worker if there is room for one. Caller holds mu.
func (s *sending) hire() {
	if s.running < s.places() && s.ctx.Err() == nil {
		s.running++
		s.workers.Go(s.work)
	}
}

// work streams what is ordered until nothing is left.
func (s *sending) work() {
	for {
		s.mu.Lock()
		if len(s.waiting) == 0 || s.ctx.Err() != nil || s.running > s.places() {
			s.running--
			s.mu.Unlock()
			return // storage closes what is open
		}
		o := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.mu.Unlock()

		err := s.stream(o)
		if errors.Is(err, transport.ErrBroken) || errors.Is(err, transport.ErrBacklog) {
			o.broke++
		}
		o.stopped++
		if o.parts > 1 && o.broke <= breaksInAPart && o.stopped <= stopsAtAPart && (interrupted(err) || errors.Is(err, errNoStream)) {
			s.workers.Go(func() { s.resume(o) }) // others have its place meanwhile
			continue
		}
		s.done(o, err)
	}
}

// resume waits for another connection, and for the receiver to say how far it is;
// then the stream goes on, before those that have not begun and after those that
// went on before.
func (s *sending) resume(o *outgoing) {
	taken, err := backoff.Retry(s.ctx, func() (uint64, error) {
		taken, err := s.askTaken(o)
		if err != nil && !interrupted(err) {
			err = backoff.Permanent(err)
		}
		return taken, err
	}, backoff.WithBackOff(newResumeBackOff()), backoff.WithMaxElapsedTime(resumeWithin))
	if err == nil {
		err = o.goOn(taken)
	}
	if err != nil || o.through {
		s.done(o, err)
		return
	}
	s.count("resumed")
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.waiting, func(other *outgoing) bool { return other.parts == 0 })
	if at < 0 {
		at = len(s.waiting)
	}
	s.waiting = slices.Insert(s.waiting, at, o)
	s.hire()
}

func newResumeBackOff() backoff.BackOff {
	return &backoff.ExponentialBackOff{InitialInterval: 50 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 1.5, MaxInterval: time.Second}
}

// interrupted reports whether only the connection is to blame, or that others fill it.
func interrupted(err error) bool {
	return errors.Is(err, errLinkDown) || errors.Is(err, transport.ErrDown) || errors.Is(err, transport.ErrBroken) || errors.Is(err, transport.ErrBacklog)
}

// done is the end of a stream, whole or not.
func (s *sending) done(o *outgoing, err error) {
	o.close()
	if link := s.link(o.order.To); err != nil && o.parts > 0 && link != nil {
		link.Call(appendPart(nil, partGivenUp, o.id()), partTimeout, func([]byte, error) {})
	}
	if err != nil {
		err = fmt.Errorf("snapshot of %v: %w", o.order.Partition, err)
	}
	s.note(o.order, err)
	s.count(outcomeOf(err))
	s.sent(o.order, err)
}

// note logs a failure: one side's storage is the operator's business, a broken
// connection comes and goes.
func (s *sending) note(o replica.SnapshotOrder, err error) {
	level := slog.LevelWarn
	switch {
	case err == nil, errors.Is(err, errUnwanted), errors.Is(err, context.Canceled):
		return
	case interrupted(err):
		level = slog.LevelDebug
	}
	s.logger.Log(s.ctx, level, "snapshot not delivered", slog.String("partition", o.Partition.String()),
		slog.String("node", string(o.To)), slog.Any("err", err))
}

func outcomeOf(err error) string {
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, errUnwanted):
		return "unwanted"
	}
	return "failed"
}

// stream sends a snapshot from where it is.
func (s *sending) stream(o *outgoing) error {
	link := s.link(o.order.To)
	if link == nil {
		return errLinkDown
	}
	if o.snapshot == nil {
		if !s.stands(o.order) {
			return errUnwanted
		}
		if err := o.begin(s.open); err != nil {
			return err
		}
	}
	for {
		if !o.taken {
			reply, err := s.call(link, o.part)
			if err == nil {
				err = decodePartAnswer(reply)
			}
			if err != nil {
				return err
			}
		}
		if o.last {
			return nil
		}
		// What a chunk costs the receiver's disk counts, not what it is packed to.
		if err := o.next(s.packer, func(bytes int) error { return s.rate.wait(s.ctx, bytes) }); err != nil {
			return err
		}
	}
}

// askTaken asks the receiver how many parts of a broken stream it has.
func (s *sending) askTaken(o *outgoing) (uint64, error) {
	link := s.link(o.order.To)
	if link == nil {
		return 0, errLinkDown
	}
	reply, err := s.call(link, o.of(partResume))
	if err != nil {
		return 0, err
	}
	return decodeResumeAnswer(reply)
}

// call sends one part and waits for its answer.
func (s *sending) call(link transport.Link, body []byte) ([]byte, error) {
	type answer struct {
		reply []byte
		err   error
	}
	answered := make(chan answer, 1)
	link.Call(body, partTimeout, func(reply []byte, err error) {
		answered <- answer{bytes.Clone(reply), err} // it is valid during the call only
	})
	select {
	case a := <-answered:
		return a.reply, a.err
	case <-s.ctx.Done():
		return nil, fmt.Errorf("%w: %w", errEndedHere, s.ctx.Err())
	}
}

// wait returns when no stream is left; its context must have ended.
func (s *sending) wait() { s.workers.Wait() }
