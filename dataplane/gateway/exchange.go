package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/routing"
	"github.com/holdfast-io/holdfast/partition"
)

// exchange is one client request being served. Exchanges are reused, but only
// once no attempt can call back any more.
type exchange struct {
	g        *Gateway
	op       replica.Operation
	route    routing.Request
	answers  chan attempt // at most one is under way
	done     func(replica.Answer, Sent)
	timer    *time.Timer
	key      []byte           // memory for a read's key
	to       partition.NodeID // where the last attempt went
	trace    *trace           // where the client asked for it
	underWay bool
	state    atomic.Uint32 // of the attempt under way
	reserved int64         // what the last attempt's end releases, once abandoned
}

// The states of an attempt under way, which its end and its abandonment race for.
const (
	attemptOpen uint32 = iota
	attemptEnded
	attemptAbandoned
)

// attempt is the end of one.
type attempt struct {
	answer replica.Answer
	sent   Sent
}

func newExchange(g *Gateway) *exchange {
	x := &exchange{g: g, answers: make(chan attempt, 1), timer: time.NewTimer(time.Hour)}
	x.timer.Stop()
	x.done = x.ended
	return x
}

// ended takes the end of the attempt under way, on any goroutine.
func (x *exchange) ended(a replica.Answer, sent Sent) {
	if x.state.CompareAndSwap(attemptOpen, attemptEnded) {
		x.answers <- attempt{a, sent}
		return
	}
	x.g.release(x.reserved)
}

// finish gives the exchange back for reuse, and the memory reserved for its
// body. Where an attempt is still under way, the node has the body in its hands
// until that ends, at the latest soon after the operation's deadline.
func (x *exchange) finish(reserved int64) {
	x.trace = nil
	if x.underWay {
		x.reserved = reserved
		if x.state.CompareAndSwap(attemptOpen, attemptAbandoned) {
			return
		}
		<-x.answers // it has just ended
		x.underWay = false
	}
	x.op, x.to = replica.Operation{}, ""
	x.g.release(reserved)
	x.g.exchanges.Put(x)
}

// run drives the request to its verdict.
func (x *exchange) run(ctx context.Context, now replica.Time) routing.Decision {
	for {
		m := x.g.backend.Map()
		d := x.route.Next(now, m)
		switch d.Step {
		case routing.Send:
			x.op.Epoch, x.to = d.Epoch, d.To
			x.underWay = true
			x.state.Store(attemptOpen)
			x.trace.attempt(d.To, &m.Partitions[x.op.Partition])
			x.g.backend.Send(d.To, x.op, x.done)
			now = x.await(ctx, now, d.Until)
			x.trace.book(phaseAttempt)
		case routing.Await:
			now = x.await(ctx, now, d.Until)
			x.trace.book(phaseAttempt)
		case routing.WaitMap:
			now = x.waitMap(ctx, now, d)
		default:
			return d
		}
		if ctx.Err() != nil && x.underWay {
			return x.route.Abandon(now)
		}
	}
}

// await waits for the end of the attempt under way, until a time or until the
// client has left.
func (x *exchange) await(ctx context.Context, now, until replica.Time) replica.Time {
	x.timer.Reset(until.Sub(now))
	defer x.timer.Stop()
	select {
	case a := <-x.answers:
		x.underWay = false
		now = x.g.backend.Now()
		if a.sent == Certain {
			x.route.Answered(now, a.answer)
		} else {
			x.route.Failed(now, a.sent != NeverSent)
		}
		return now
	case <-ctx.Done():
	case <-x.timer.C:
	}
	return x.g.backend.Now()
}

// waitMap waits for a newer map, until a time or until the client has left.
func (x *exchange) waitMap(ctx context.Context, now replica.Time, d routing.Decision) replica.Time {
	ctx, cancel := context.WithTimeout(ctx, d.Until.Sub(now))
	defer cancel()
	if x.g.backend.WaitMap(ctx, d.After) != nil {
		<-ctx.Done() // where the node follows no map any more
	}
	now = x.g.backend.Now()
	if ctx.Err() == context.Canceled {
		x.route.Abandon(now)
	}
	return now
}
