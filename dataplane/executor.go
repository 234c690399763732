package dataplane

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

// executor owns the replicas of some lanes: one goroutine steps them, and
// nothing else touches them. It takes all inputs that wait, steps the lanes,
// then carries out all that they ask for, so that whatever arrived meanwhile
// shares one log write and one frame for each peer.
type executor struct {
	inbox *inbox
	lanes []*lane // indexed by lane number; nil where another executor's
	out   *outlet
	// install publishes the state of a copy that was replaced.
	install func(id partition.ID, table *storage.Table)
	// shortage is what the node lacks for more writes; asked every tick.
	shortage func() replica.Shortage
	// allowance is how many of so many bytes that learners lack may go to them
	// now; below zero there is no bound.
	allowance func(bytes int) int

	limit   int64        // most bytes of operations taken and not answered
	waiting atomic.Int64 // those bytes
	summary atomic.Pointer[summary]
	acted   atomic.Pointer[partition.Stamp] // of the map acted on; nil before the first
	// answered counts operations; it is written once a batch.
	answered atomic.Uint64

	// What follows belongs to the executor's goroutine.
	taken   pendingList
	touched []*lane
	ticks   int
}

// lane is one replica group.
type lane struct {
	number  int
	group   *replica.Group
	output  replica.Output
	touched bool
}

func newExecutor(inboxBytes int64, out *outlet) *executor {
	e := &executor{
		inbox: newInbox(inboxBytes), lanes: make([]*lane, Lanes),
		out: out, limit: inboxBytes, shortage: func() replica.Shortage { return 0 },
		allowance: func(int) int { return -1 },
	}
	e.taken.init()
	e.summary.Store(&summary{})
	return e
}

// laneOf is the lane of a partition.
func laneOf(id partition.ID) int { return int(id % Lanes) }

// offer gives the executor an operation, and refuses it at once where too much
// waits already. Safe for any goroutine.
func (e *executor) offer(op replica.Operation, p *pending) {
	p.size = operationSize(&op)
	op.Tag = p
	switch {
	case e.waiting.Add(p.size) > e.limit:
		e.waiting.Add(-p.size)
		e.out.metrics.refused[refusedInbox].Inc()
		p.overloaded(&op)
	case !e.inbox.operation(laneOf(op.Partition), &op):
		e.waiting.Add(-p.size)
		p.refused(&op)
	}
}

// run steps the lanes until stop is closed. Then every operation that it has
// is ended.
func (e *executor) run(stop <-chan struct{}) {
	ticker := time.NewTicker(tickInterval)
	defer ticker.Stop()
	var b batch
	for {
		tick := false
		select {
		case <-stop:
			e.end(b)
			return
		case <-ticker.C:
			tick = true
		case <-e.inbox.wake:
			runtime.Gosched() // who is about to add to it goes first: more at a time
		}
		b = e.inbox.take(b)
		e.step(&b, tick)
	}
}

// step feeds one batch to the lanes. The clock is read after the batch was
// taken: no input is later than its time, and a time that is a little early
// only shortens leases, while a promise still counts from after its beacon came.
func (e *executor) step(b *batch, tick bool) {
	t := now()
	for _, f := range b.events {
		f(e, t)
	}
	for i := range b.messages {
		m := &b.messages[i]
		e.touch(m.lane).Message(t, m.from, &m.message)
	}
	for _, s := range b.synced {
		e.touch(s.lane).Synced(t, s.ticket)
	}
	for i := range b.operations {
		o := &b.operations[i]
		e.taken.add(o.op.Tag.(*pending))
		e.touch(o.lane).Operate(t, o.op)
	}
	if tick {
		short := e.shortage()
		e.each(func(g *replica.Group) {
			g.SetShortage(t, short)
			g.Tick(t)
			g.Allow(t, e.allowance(g.Backlog()))
		})
		if e.ticks++; e.ticks%ticksPerSummary == 0 {
			e.summarize()
		}
	}
	e.drain()
}

// touch notes that a lane has output to drain.
func (e *executor) touch(number int) *replica.Group {
	l := e.lanes[number]
	if !l.touched {
		l.touched = true
		e.touched = append(e.touched, l)
	}
	return l.group
}

// each does something with every group that the executor owns.
func (e *executor) each(f func(*replica.Group)) {
	for i, l := range e.lanes {
		if l != nil {
			f(e.touch(i))
		}
	}
}

// drain carries out what the touched lanes ask for: records, messages, answers,
// then the rest.
func (e *executor) drain() {
	for _, l := range e.touched {
		l.group.Drain(&l.output)
		if len(l.output.Records) > 0 {
			e.record(l)
		}
		e.out.send(l.number, l.output.Messages)
	}
	e.out.flush()
	var t replica.Time // read once, after the steps that made the answers
	for _, l := range e.touched {
		l.touched = false
		for i := range l.output.Answers {
			if t == 0 {
				t = now()
			}
			e.answer(t, &l.output.Answers[i])
		}
		e.answered.Add(uint64(len(l.output.Answers)))
		e.out.rest(&l.output)
		clear(l.output.Messages)
		clear(l.output.Answers)
	}
	e.touched = e.touched[:0]
}

// record gives a lane's records to the log, and the lane another slice for the
// next: the log reads this one until they are synced.
func (e *executor) record(l *lane) {
	number, ticket, records := l.number, l.output.Ticket, l.output.Records
	l.output.Records = nil
	if spare, ok := recordsPool.Get().(*[]entry.Record); ok {
		l.output.Records = *spare
	}
	e.out.record(records, func() {
		e.inbox.synced(number, ticket)
		records = emptied(records)
		recordsPool.Put(&records)
	})
}

// recordsPool has empty slices of records.
var recordsPool sync.Pool

func (e *executor) answer(t replica.Time, a *replica.Answer) {
	p := a.Tag.(*pending)
	e.taken.remove(p)
	e.waiting.Add(-p.size)
	switch a.Outcome {
	case replica.Overloaded:
		e.out.metrics.refused[refusedMemory].Inc()
	case replica.DiskFull:
		e.out.metrics.refused[refusedDisk].Inc()
	default:
	}
	p.answered(a.Settle(t))
}

// end refuses what waits, and abandons what the replicas have.
func (e *executor) end(b batch) {
	e.inbox.close()
	b = e.inbox.take(b)
	for i := range b.operations {
		op := &b.operations[i].op
		op.Tag.(*pending).refused(op)
	}
	e.taken.drain((*pending).abandoned)
}
