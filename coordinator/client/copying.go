package client

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/holdfast-io/holdfast/partition"
)

// copying is one partition that this node learns. hooks.mu guards it.
type copying struct {
	// event is the newest. Its Sequence names the copy that the primary has opened;
	// 0 before that.
	event  PartitionEvent
	wanted bool // the map still has this node as a learner
	round  int  // grows when what was copied may be incomplete
	done   int  // so many hooks, from the first, have returned nil in this round
	busy   bool // a goroutine works on it
	cancel context.CancelFunc
	again  chan struct{} // closed when a round ends that a goroutine works on
}

// continues reports whether a copy made so far stays good. The primary knows best:
// it names the copy, and opens another where this one is void. Another primary, or
// another start of it, knows nothing of this copy. A program that proposes by itself
// has no primary of ours to know it: there the copy is good only one change further,
// for after more this node may have been in sync and out again in between.
func (k *copying) continues(cur *partition.Configuration, from *Node, proposesItself bool) bool {
	return k.wanted && cur.Lineage == k.event.New.Lineage && sameStart(from, k.event.CopyFrom) &&
		(!proposesItself || cur.Epoch == k.event.Epoch+1)
}

// restart makes all that was copied void. The next copy is the one that sequence
// names, 0 where none is open.
func (k *copying) restart(sequence uint64) {
	k.event.Sequence = sequence
	k.round++
	k.done = 0
	if k.cancel != nil {
		k.cancel()
	}
	if k.again != nil {
		close(k.again)
		k.again = nil
	}
}

func (k *copying) unwanted() {
	k.wanted = false
	k.restart(0)
}

// work calls a partition's hooks, one after the other. There is one such goroutine
// for a partition.
func (h *hooks) work(k *copying) {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = hookRetryFirst, hookRetryMost
	for {
		h.mu.Lock()
		if !h.pending(k) || h.c.ctx.Err() != nil {
			k.busy = false
			h.mu.Unlock()
			return
		}
		event, round := k.event, k.round
		hook := h.mu.list[k.done]
		ctx, cancel := context.WithCancel(h.c.ctx)
		k.cancel = cancel
		if k.again == nil {
			k.again = make(chan struct{})
		}
		again := k.again
		h.mu.Unlock()

		err := h.call(ctx, hook, event)
		cancel()
		h.mu.Lock()
		k.cancel = nil
		same := k.round == round
		if same && err == nil {
			k.done++
		}
		h.mu.Unlock()
		switch {
		case err == nil:
			retry.Reset()
			h.c.asking.poke()
		case same:
			h.c.log.Warn("hook of a partition failed", "partition", event.Partition, "epoch", event.Epoch, "err", err)
			select {
			case <-h.c.ctx.Done():
			case <-again:
			case <-time.After(retry.NextBackOff()):
			}
		default:
			retry.Reset() // another round
		}
	}
}

// call calls one hook; a panic is an error.
func (h *hooks) call(ctx context.Context, hook PartitionHook, e PartitionEvent) error {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-h.slots }()
	return guarded(func() error { return hook(ctx, e) })
}
