package client

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	// hooksAtOnce bounds the partitions whose hooks are called at the same time.
	hooksAtOnce = 8
	// proposeAgain is how often a learner whose hooks are done is proposed.
	proposeAgain = 250 * time.Millisecond
	// hookRetryFirst and hookRetryMost bound the back-off after a hook's error.
	hookRetryFirst, hookRetryMost = 100 * time.Millisecond, 10 * time.Second
)

// PartitionEvent is what a partition's hook is called with.
type PartitionEvent struct {
	Partition partition.ID
	Epoch     partition.Epoch
	Reason    string
	CopyFrom  *Node                    // where the partition's data can be copied from: its primary
	CopyTo    *Node                    // the node that is to have it: this one
	Old, New  *partition.Configuration // Old is nil where it is not known
}

// PartitionHook is called when this node is to copy a partition. Its error, or
// panic, asks for another call, later; so does a change of the partition that
// may have made the copy incomplete. The context ends when the copy is not
// wanted any more, and with the client.
type PartitionHook func(ctx context.Context, e PartitionEvent) error

// OnPartitionChange registers a hook without context and error: see
// OnPartitionEvent. partitionID is "partition-5".
func (c *Client) OnPartitionChange(hook func(partitionID string, copyFrom, copyTo *Node)) {
	c.OnPartitionEvent(func(_ context.Context, e PartitionEvent) error {
		hook(e.Partition.String(), e.CopyFrom, e.CopyTo)
		return nil
	})
}

// OnPartitionEvent registers a hook that is called when this node becomes a
// learner of a partition: it copies the partition's data from CopyFrom. Hooks
// are called at least once for each such change, also for those from before
// they were registered, in the order of the map for each partition, and never
// two at a time for one partition. When all hooks have returned nil the node is
// proposed as a replica, unless Config.ProposesItself leaves that to the
// program.
func (c *Client) OnPartitionEvent(hook PartitionHook) {
	c.hooks.mu.Lock()
	c.hooks.mu.list = append(slices.Clip(c.hooks.mu.list), hook)
	c.hooks.mu.Unlock()
	c.maps.again()
}

// hooks calls the hooks.
type hooks struct {
	c     *Client
	slots chan struct{} // one element for each partition being called for
	wg    sync.WaitGroup
	mu    struct {
		sync.Mutex
		list   []PartitionHook
		copies map[partition.ID]*copying
		last   *partition.Map
	}
}

func (h *hooks) init(c *Client) {
	h.c = c
	h.slots = make(chan struct{}, hooksAtOnce)
	h.mu.copies = make(map[partition.ID]*copying)
}

// take looks at a map: what this node learns now, and what not any more.
func (h *hooks) take(m *partition.Map) {
	if h.c.role != protocol.RoleNode {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	last := h.mu.last
	if last == nil {
		last = &partition.Map{}
	}
	h.mu.last = m
	for i := range m.Partitions {
		cur := &m.Partitions[i]
		k := h.mu.copies[cur.ID]
		switch {
		case h.learns(m, cur):
			if k == nil {
				k = &copying{}
				h.mu.copies[cur.ID] = k
			}
			before, _ := last.Partition(cur.ID)
			h.learn(k, m, cur, before)
		case k != nil && k.busy:
			k.unwanted()
		case k != nil:
			delete(h.mu.copies, cur.ID)
		}
	}
}

// learns reports whether this boot is to copy the partition now: it needs
// somebody to copy from.
func (h *hooks) learns(m *partition.Map, cur *partition.Configuration) bool {
	r, learner := partition.Find(cur.Learners, h.c.config.NodeID)
	return learner && r.Store == h.c.config.Store && cur.Primary != "" && h.c.named(m) && h.c.fenced.Load() == nil
}

// learn begins to copy a partition, or notes that it changed meanwhile; the
// caller holds mu.
func (h *hooks) learn(k *copying, m *partition.Map, cur, before *partition.Configuration) {
	from, _ := m.Node(cur.Primary)
	to, _ := m.Node(h.c.config.NodeID)
	if cur.Epoch != k.event.Epoch || !k.wanted {
		if !k.continues(cur, from) {
			k.anew()
		}
		k.wanted = true
		k.event = PartitionEvent{
			Partition: cur.ID, Epoch: cur.Epoch, Reason: "this node is to be brought up to date as a replica",
			CopyFrom: from.Clone(), CopyTo: to.Clone(), Old: before.Clone(), New: cur.Clone(), // a hook may take long
		}
	}
	if h.pending(k) && !k.busy && h.c.ctx.Err() == nil {
		k.busy = true
		h.wg.Go(func() { h.work(k) })
	}
}

// pending reports whether there is something to do for a partition; the caller
// holds mu.
func (h *hooks) pending(k *copying) bool {
	return k.wanted && len(h.mu.list) > 0 && (k.done < len(h.mu.list) || !h.c.config.ProposesItself)
}

// wait waits until no hook is being called. The client's context has ended.
func (h *hooks) wait() { h.wg.Wait() }

// copying is one partition that this node learns. hooks.mu guards it.
type copying struct {
	event  PartitionEvent // the newest
	wanted bool           // the map still has this node as a learner
	round  int            // grows when what was copied may be incomplete
	done   int            // so many hooks, from the first, have returned nil in this round
	busy   bool           // a goroutine works on it
	cancel context.CancelFunc
}

// continues reports whether a copy made so far stays good: one change further,
// this node is still a learner and has the same source. After anything else it
// may have been in sync and out again in between.
func (k *copying) continues(cur *partition.Configuration, from *Node) bool {
	return k.wanted && cur.Epoch == k.event.Epoch+1 && cur.Lineage == k.event.New.Lineage &&
		from.ID == k.event.CopyFrom.ID && from.Store == k.event.CopyFrom.Store
}

// anew makes all that was copied void.
func (k *copying) anew() {
	k.round++
	k.done = 0
	if k.cancel != nil {
		k.cancel()
	}
}

func (k *copying) unwanted() {
	k.wanted = false
	k.anew()
}

// work calls a partition's hooks, one after the other, and proposes this node
// when they are done. There is one such goroutine for a partition.
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
		changed := h.c.maps.changed()
		event, round := k.event, k.round
		if k.done == len(h.mu.list) {
			h.mu.Unlock()
			h.c.Propose(addition(event))
			h.c.pauseOr(proposeAgain, changed)
			continue
		}
		hook := h.mu.list[k.done]
		ctx, cancel := context.WithCancel(h.c.ctx)
		k.cancel = cancel
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
		case same:
			h.c.log.Warn("hook of a partition failed", "partition", event.Partition, "epoch", event.Epoch, "err", err)
			h.c.pauseOr(retry.NextBackOff(), nil)
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

// addition asks for this node as a replica beside those that are there.
func addition(e PartitionEvent) partition.Change {
	replicas := append(slices.Clone(e.New.Replicas), partition.Replica{Node: e.CopyTo.ID, Store: e.CopyTo.Store})
	slices.SortFunc(replicas, func(a, b partition.Replica) int { return strings.Compare(string(a.Node), string(b.Node)) })
	return partition.Change{
		Partition: e.Partition, Epoch: e.Epoch, Primary: e.New.Primary, Replicas: replicas,
		Proposer: e.CopyTo.ID, Reason: "its copy is up to date",
	}
}

// pauseOr waits for d, for changed, or for the end.
func (c *Client) pauseOr(d time.Duration, changed <-chan struct{}) {
	select {
	case <-c.ctx.Done():
	case <-changed:
	case <-time.After(d):
	}
}
