package dataplane

import (
	"sync"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// inbox is where an executor's inputs wait. Producers add under a short lock;
// the executor takes all of it at once, so the more there is to do the more is
// done at a time. Inputs of one kind keep their order; those of different kinds
// come from different places and have none.
type inbox struct {
	wake chan struct{} // holds a token while there is something to take

	mu     sync.Mutex
	next   batch
	bytes  int64 // of messages in next
	limit  int64 // above it messages are dropped: their senders repeat them
	closed bool
}

// batch is what an executor takes from its inbox.
type batch struct {
	events     []event
	messages   []inbound
	synced     []synced
	operations []operation
}

// event is a rare input: a map, a connection's state, a snapshot's progress.
type event func(e *executor, now replica.Time)

// inbound is a message with the boot that sent it.
type inbound struct {
	lane    int
	from    replica.Peer
	message replica.Message
}

// synced says that the lane's records up to ticket are on disk.
type synced struct {
	lane   int
	ticket uint64
}

// operation is a client's, for the lane of its partition; its Tag is a *pending.
type operation struct {
	lane int
	op   replica.Operation
}

func newInbox(limit int64) *inbox {
	return &inbox{wake: make(chan struct{}, 1), limit: limit}
}

// event adds one, and reports whether the inbox is open.
func (b *inbox) event(f event) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.next.events = append(b.next.events, f)
	b.signal()
	return true
}

// messages adds messages of size bytes together, and reports whether they were
// taken.
func (b *inbox) messages(m []inbound, size int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.bytes > b.limit {
		return false
	}
	b.bytes += size
	b.next.messages = append(b.next.messages, m...)
	b.signal()
	return true
}

// synced adds a disk completion.
func (b *inbox) synced(lane int, ticket uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.next.synced = append(b.next.synced, synced{lane: lane, ticket: ticket})
	b.signal()
}

// operation adds one, and reports whether the inbox is open.
func (b *inbox) operation(lane int, op *replica.Operation) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.next.operations = append(b.next.operations, operation{lane: lane, op: *op})
	b.signal()
	return true
}

// signal wakes the executor. Caller holds mu.
func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default: // it has a token already
	}
}

// take swaps what waits with spent, which is emptied and filled next.
func (b *inbox) take(spent batch) batch {
	spent.reset()
	b.mu.Lock()
	defer b.mu.Unlock()
	full := b.next
	b.next, b.bytes = spent, 0
	return full
}

// close refuses everything from now on.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

// spareInputs is how many inputs of a kind an emptied batch keeps room for.
const spareInputs = 4096

func (b *batch) reset() {
	b.events = emptied(b.events)
	b.messages = emptied(b.messages)
	b.synced = emptied(b.synced)
	b.operations = emptied(b.operations)
}

// emptied clears a slice, so that it holds on to nothing, and keeps its memory
// unless a burst made it large.
func emptied[T any](s []T) []T {
	if cap(s) > spareInputs {
		return nil
	}
	clear(s)
	return s[:0]
}
