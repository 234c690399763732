package dataplane

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

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
	partTimeout   = time.Minute
)

// sending streams snapshots to learners, as replicas order them.
type sending struct {
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
	waiting []replica.SnapshotOrder
	running int
}

// order streams a snapshot as soon as there is room. It does not block.
func (s *sending) order(o replica.SnapshotOrder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	s.waiting = append(s.waiting, o)
	if s.running < sendersAtOnce {
		s.running++
		s.workers.Go(s.work)
	}
}

// work streams what is ordered until nothing is left.
func (s *sending) work() {
	for {
		s.mu.Lock()
		if len(s.waiting) == 0 || s.ctx.Err() != nil {
			s.running--
			s.mu.Unlock()
			return
		}
		o := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.mu.Unlock()

		err := s.stream(o)
		s.note(o, err)
		s.count(outcomeOf(err))
		s.sent(o, err)
	}
}

// note logs a failure: one side's storage is the operator's business, a broken
// connection comes and goes.
func (s *sending) note(o replica.SnapshotOrder, err error) {
	level := slog.LevelWarn
	switch {
	case err == nil, errors.Is(err, errUnwanted), errors.Is(err, context.Canceled):
		return
	case errors.Is(err, errLinkDown), errors.Is(err, transport.ErrDown), errors.Is(err, transport.ErrBroken):
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

func (s *sending) stream(o replica.SnapshotOrder) error {
	link := s.link(o.To)
	if link == nil {
		return fmt.Errorf("snapshot of %v: %w", o.Partition, errLinkDown)
	}
	snapshot, err := s.open(o.Partition)
	if err != nil {
		return fmt.Errorf("snapshot of %v: %w", o.Partition, err)
	}
	defer func() { _ = snapshot.Close() }() // only read from

	id := stream{partition: o.Partition, id: o.ID}
	meta := replica.SnapshotMeta{
		Partition: o.Partition, Epoch: o.Epoch, ID: o.ID,
		Lineage: snapshot.Lineage, Applied: snapshot.Applied, Estimated: snapshot.Estimated,
	}
	b := appendMeta(appendPart(nil, partBegin, id), &meta)
	for last := false; ; {
		if err := s.call(link, b); err != nil {
			return fmt.Errorf("snapshot of %v: %w", o.Partition, err)
		}
		if last {
			return nil
		}
		chunk, err := snapshot.Next()
		switch {
		case errors.Is(err, io.EOF):
			b, last = appendPart(b[:0], partEnd, id), true
		case err != nil:
			return fmt.Errorf("snapshot of %v: read: %w", o.Partition, err)
		default:
			// What it costs the receiver's disk counts, not what it is packed to.
			if err := s.rate.wait(s.ctx, len(chunk)); err != nil {
				return fmt.Errorf("snapshot of %v: %w", o.Partition, err)
			}
			b = s.packer.pack(appendPart(b[:0], partChunk, id), chunk)
		}
	}
}

// call sends one part and waits for its answer.
func (s *sending) call(link transport.Link, body []byte) error {
	answer := make(chan error, 1)
	link.Call(body, partTimeout, func(reply []byte, err error) {
		if err == nil {
			err = decodePartAnswer(reply)
		}
		answer <- err
	})
	select {
	case err := <-answer:
		return err
	case <-s.ctx.Done():
		return fmt.Errorf("%w: %w", errEndedHere, s.ctx.Err())
	}
}

// wait returns when no stream is left; its context must have ended.
func (s *sending) wait() { s.workers.Wait() }
