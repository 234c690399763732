package coordinator

import (
	"context"
	"fmt"
	"sync"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// proposals gathers the changes that nodes ask for while a Raft entry is being
// committed, and has them committed together as the next one. Accusations of
// many nodes against one come at the same time.
type proposals struct {
	apply func([]partition.Change) error
	wake  chan struct{}

	mu struct {
		sync.Mutex
		batch *batch
	}
}

// batch is the changes of one future Raft entry.
type batch struct {
	changes []partition.Change
	seen    map[string]struct{} // encodings: the same asked twice is one
	done    chan struct{}
	err     error // valid when done is closed
}

func newProposals(apply func([]partition.Change) error) *proposals {
	return &proposals{apply: apply, wake: make(chan struct{}, 1)}
}

// commit returns when the changes have been judged, or ctx ends.
func (p *proposals) commit(ctx context.Context, changes []partition.Change) error {
	p.mu.Lock()
	b := p.mu.batch
	if b == nil {
		b = &batch{seen: make(map[string]struct{}), done: make(chan struct{})}
		p.mu.batch = b
	}
	for _, c := range changes {
		key := string(protocol.Encode(protocol.Propose{Changes: []partition.Change{c}}))
		if _, again := b.seen[key]; !again {
			b.seen[key] = struct{}{}
			b.changes = append(b.changes, c)
		}
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	select {
	case <-b.done:
		return b.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errOutcomeUnknown, ctx.Err())
	}
}

// run commits batch after batch until ctx ends.
func (p *proposals) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		p.mu.Lock()
		b := p.mu.batch
		p.mu.batch = nil
		p.mu.Unlock()
		if b == nil {
			continue
		}
		b.err = p.apply(b.changes)
		close(b.done)
	}
}
