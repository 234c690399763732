package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

var (
	// ErrOutcomeUnknown says that a Write failed after its function was called: some
	// targets may have it, and it may or may not show later.
	ErrOutcomeUnknown = errors.New("the outcome of the write is unknown")
	// ErrTooFewInSync says that fewer replicas are in sync than the cluster's
	// min-in-sync: nothing is written meanwhile.
	ErrTooFewInSync = errors.New("too few replicas are in sync")
)

// Write is one write that a primary makes. It may be used until its function returns,
// on several goroutines.
type Write struct {
	// Partition is the partition as of Epoch.
	Partition *Partition
	// Epoch is the fence: targets refuse the write where Accept refuses the epoch.
	Epoch partition.Epoch
	// Sequence grows with every write of the partition, whoever is primary: a later
	// primary's are all higher, and none is given twice. They have gaps. A copy of the
	// partition keeps, for each thing that it stores, the sequence of the write that it
	// is from, and a value never replaces one with a higher sequence.
	Sequence uint64

	l       *leadership
	targets []*Node
}

// Targets are the nodes that must store the write beside this one: the in-sync
// replicas, and the learners from their first request for a copy on. It must not be
// written to.
func (w *Write) Targets() []*Node { return w.targets }

// Failed says that a target did not store the write: it cannot be reached, or cannot
// store it. (Where a target refuses the epoch the function returns that as its error
// instead.) The copy of a learner is void then, and begins anew. A replica in sync,
// or a learner that may be in sync by now, is proposed to be taken out, and no Write
// of the partition returns nil before the map shows an epoch without it.
func (w *Write) Failed(node *Node) {
	l := w.l
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.mu.learners[node.ID]
	switch {
	case l.mu.over || node.ID == l.c.config.NodeID:
		return
	case l.mu.p.Configuration.InSync(node.ID), one != nil && one.proposed:
		l.mu.failed[node.ID] = true
		l.tell()
		l.c.leading.poke()
	case one != nil && sameStart(one.node, node) && w.Sequence >= one.since:
		one.fail(time.Now())
	}
}

// Write makes one write of a partition as its primary. It calls the function, which
// has all of w.Targets() store the write, and then stores it here; nil from Write
// says that it may be acknowledged: every replica in sync has it, and every later
// primary will.
//
// An error that is no ErrOutcomeUnknown says that the function was not called:
// ErrNotPrimary, ErrStaleEpoch where p was looked up before this node became primary,
// ErrTooFewInSync, ErrFenced, ctx's, or what the take-over hook failed with. After it was called,
// Write fails with an ErrOutcomeUnknown, which wraps the function's error, if that is
// not nil, if ctx ends while a failed replica is waited for, if another start became
// primary, and if a replica of the newest epoch did not get the write. Once the
// function has returned nil, an epoch that only takes replicas away, or adds one that
// got the write, does not fail it. Before that it may: Accept refuses the write's epoch
// at each node that knows of a later one.
//
// Several Writes of a partition may run at the same time, in any order: a program that
// needs one after the other takes a lock around them. The context of the function ends
// with ctx, and when this start is primary no more.
func (c *Client) Write(ctx context.Context, p *Partition, function func(ctx context.Context, w *Write) error) error {
	if p == nil {
		return fmt.Errorf("write: %w", ErrNotPlaced)
	}
	if c.config.ProposesItself {
		return fmt.Errorf("write %s: Config.ProposesItself leaves writes to the program", p.ID)
	}
	l, err := c.leading.leadership(p.Number)
	switch {
	case err != nil:
		return fmt.Errorf("write: %w", err)
	case p.Epoch < l.since:
		return fmt.Errorf("write %s: looked up at epoch %d, primary since epoch %d: %w", p.ID, p.Epoch, l.since, ErrStaleEpoch)
	}
	if err := l.takeOver(ctx); err != nil {
		return fmt.Errorf("write %s: take over: %w", p.ID, err)
	}
	called, err := l.write(ctx, false, function)
	switch {
	case err == nil:
		return nil
	case called:
		return fmt.Errorf("write %s: %w: %w", p.ID, ErrOutcomeUnknown, err)
	}
	return fmt.Errorf("write %s: %w", p.ID, err)
}

// write makes one write; a take-over goes to the replicas in sync only. It tells
// whether the function was called.
func (l *leadership) write(ctx context.Context, takeover bool, function func(ctx context.Context, w *Write) error) (called bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := l.begin(ctx, cancel, takeover)
	if err != nil {
		return false, err
	}
	defer l.finish(w)
	if err := function(ctx, w); err != nil {
		return true, err
	}
	return true, l.settle(ctx, w)
}

// begin opens a write. It waits while the partition waits for an epoch without a
// replica that failed, and while it is handed over.
func (l *leadership) begin(ctx context.Context, cancel context.CancelFunc, takeover bool) (*Write, error) {
	for {
		l.mu.Lock()
		changed := l.mu.changed
		hold := l.holds(time.Now())
		switch p := l.mu.p; {
		case ctx.Err() != nil:
			l.mu.Unlock()
			return nil, ctx.Err()
		case l.c.ctx.Err() != nil:
			l.mu.Unlock()
			return nil, errClosed
		case l.mu.over:
			l.mu.Unlock()
			return nil, ErrNotPrimary
		case len(l.mu.failed) > 0:
		case hold > 0:
		case len(p.Configuration.Replicas) < l.least:
			l.mu.Unlock()
			return nil, fmt.Errorf("%w: %d of at least %d", ErrTooFewInSync, len(p.Configuration.Replicas), l.least)
		default:
			if sequence := l.next(); sequence > 0 {
				w := &Write{Partition: p, Epoch: p.Epoch, Sequence: sequence, l: l, targets: p.replicas}
				if !takeover {
					w.targets = l.targets(p)
				}
				l.mu.open[w] = cancel
				l.mu.Unlock()
				return w, nil
			}
			l.c.leading.poke() // for an epoch with sequences
		}
		l.mu.Unlock()
		var held <-chan time.Time
		if hold > 0 {
			held = time.After(hold)
		}
		select {
		case <-changed:
		case <-held:
		case <-ctx.Done():
		case <-l.c.ctx.Done():
			return nil, errClosed
		}
	}
}

// targets are the nodes that a write goes to; the caller holds mu.
func (l *leadership) targets(p *Partition) []*Node {
	targets := slices.Clip(p.replicas)
	for _, n := range p.learners {
		if one := l.mu.learners[n.ID]; one != nil && one.since > 0 {
			targets = append(targets, n)
		}
	}
	return targets
}

// settle waits until every replica in sync has a write that its function is done
// with.
func (l *leadership) settle(ctx context.Context, w *Write) error {
	for {
		l.mu.Lock()
		changed, err := l.mu.changed, l.settled(w)
		waits := err == nil && len(l.mu.failed) > 0
		l.mu.Unlock()
		if !waits {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waits for an epoch without a replica that failed: %w", ctx.Err())
		case <-l.c.ctx.Done():
			return errClosed
		}
	}
}

// settled is why a write can never be acknowledged; the caller holds mu.
func (l *leadership) settled(w *Write) error {
	p := l.mu.p
	if l.mu.over {
		return ErrNotPrimary
	}
	if len(l.mu.failed) > 0 {
		return nil // it may be yet
	}
	if len(p.Configuration.Replicas) < l.least {
		return fmt.Errorf("%w: %d of at least %d", ErrTooFewInSync, len(p.Configuration.Replicas), l.least)
	}
	if len(p.replicas)+1 != len(p.Configuration.Replicas) {
		return fmt.Errorf("the map names a replica that is no node of it: %v", p.Configuration.Replicas)
	}
	for _, n := range p.replicas {
		if !slices.ContainsFunc(w.targets, func(t *Node) bool { return sameStart(t, n) }) {
			return fmt.Errorf("%s is in sync since epoch %d, and did not get it in this start", n.ID, p.Epoch)
		}
	}
	return nil
}

// finish ends a write: copies that waited for it are opened.
func (l *leadership) finish(w *Write) {
	l.mu.Lock()
	delete(l.mu.open, w)
	if len(l.mu.open) == 0 && l.mu.held == l.mu.p.Epoch {
		signal(l.c.leading.still)
	}
	opened := l.openCopies()
	l.mu.Unlock()
	for to, list := range opened {
		l.c.passOn(l.c.best(), to, list)
	}
}
