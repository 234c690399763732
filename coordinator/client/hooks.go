package client

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	// hooksAtOnce bounds the partitions whose hooks are called at the same time.
	hooksAtOnce = 8
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
	// Sequence parts what is to be copied from what comes by itself: each write
	// of that sequence or a higher one is sent to this node by the primary, and
	// each acknowledged one below is in what the primary has. So the hook replaces
	// all that this node has below Sequence by what the primary has, and lets
	// stand what is at Sequence or above. 0 with Config.ProposesItself.
	Sequence uint64
}

// PartitionHook is called when this node is to copy a partition. Its error, or
// panic, asks for another call, later; so does everything that may have made the
// copy incomplete: then the event has a higher Sequence. The context ends when the
// copy is not wanted any more, and with the client.
type PartitionHook func(ctx context.Context, e PartitionEvent) error

// OnPartitionChange registers a hook without context and error: see
// OnPartitionEvent. partitionID is "partition-5".
func (c *Client) OnPartitionChange(hook func(partitionID string, copyFrom, copyTo *Node)) {
	c.OnPartitionEvent(func(_ context.Context, e PartitionEvent) error {
		hook(e.Partition.String(), e.CopyFrom, e.CopyTo)
		return nil
	})
}

// OnPartitionEvent registers a hook that is called when this node is a learner
// of a partition and the primary has opened the copy: it copies the partition's
// data from CopyFrom. Hooks are called at least once for each copy, also for those
// from before they were registered, in the order of the map for each partition,
// and never two at a time for one partition. When all hooks have returned nil the
// primary is told, and proposes this node as a replica.
//
// With Config.ProposesItself the hook is called as soon as the map shows this node
// as a learner, and nobody is told: opening and proposing are the program's.
func (c *Client) OnPartitionEvent(hook PartitionHook) {
	c.hooks.mu.Lock()
	c.hooks.mu.list = append(slices.Clip(c.hooks.mu.list), hook)
	c.hooks.mu.Unlock()
	c.maps.again()
	c.asking.poke()
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

// learns reports whether this start is to copy the partition now: it needs a
// primary to copy from.
func (h *hooks) learns(m *partition.Map, cur *partition.Configuration) bool {
	r, learner := partition.Find(cur.Learners, h.c.config.NodeID)
	return learner && r.Store == h.c.config.Store && cur.Primary != "" && h.c.named(m) && h.c.fenced.Load() == nil
}

// learn begins to copy a partition, or notes that it changed meanwhile; the
// caller holds mu.
func (h *hooks) learn(k *copying, m *partition.Map, cur, before *partition.Configuration) {
	from, known := m.Node(cur.Primary)
	to, _ := m.Node(h.c.config.NodeID)
	if !known {
		return
	}
	if cur.Epoch != k.event.Epoch || !k.wanted {
		if !k.continues(cur, from, h.c.config.ProposesItself) {
			k.restart(0)
		}
		k.wanted = true
		k.event = PartitionEvent{
			Partition: cur.ID, Epoch: cur.Epoch, Reason: "this node is to be brought up to date as a replica",
			CopyFrom: from.Clone(), CopyTo: to.Clone(), Old: before.Clone(), New: cur.Clone(), // a hook may take long
			Sequence: k.event.Sequence,
		}
		h.c.asking.poke()
	}
	h.begin(k)
}

// begin has a partition's hooks called, if there is something to call them for;
// the caller holds mu.
func (h *hooks) begin(k *copying) {
	if h.pending(k) && !k.busy && h.c.ctx.Err() == nil {
		k.busy = true
		h.wg.Go(func() { h.work(k) })
	}
}

// pending reports whether there are hooks to call for a partition; the caller
// holds mu.
func (h *hooks) pending(k *copying) bool {
	return k.wanted && k.done < len(h.mu.list) && (k.event.Sequence > 0 || h.c.config.ProposesItself)
}

// opened takes in that a primary has opened a copy: the hooks are called for it,
// and not any more for one that was opened before.
func (h *hooks) opened(from protocol.NodeStart, hint protocol.Hint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.mu.copies[hint.Partition]
	if k == nil || !k.wanted || k.event.Epoch != hint.Epoch || protocol.StartOf(k.event.CopyFrom) != from ||
		hint.Sequence <= k.event.Sequence {
		return
	}
	k.restart(hint.Sequence)
	h.begin(k)
	h.c.asking.poke() // without hooks it is ready now
}

// wait waits until no hook is being called. The client's context has ended.
func (h *hooks) wait() { h.wg.Wait() }
