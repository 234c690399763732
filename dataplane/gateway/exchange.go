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
	g       *Gateway
	op      replica.Operation
	route   routing.Request
	timer   *time.Timer
	key     []byte           // memory for a read's key
	to      partition.NodeID // where the last attempt went
	trace   *trace           // where the client asked for it
	attempt *attempt         // the last one, or the first that is to come

	// users are the handler and every attempt under way: the node has the body
	// in its hands. The last one gives back the body's memory.
	users    atomic.Int32
	reserved int64
}

func newExchange(g *Gateway) *exchange {
	x := &exchange{g: g, timer: time.NewTimer(time.Hour)}
	x.timer.Stop()
	x.attempt = newAttempt(x)
	return x
}

// begin takes an exchange for an operation whose body holds that much of the
// memory for bodies.
func (g *Gateway) begin(reserved int64) *exchange {
	x := g.exchanges.Get().(*exchange)
	x.reserved = reserved
	x.users.Store(1)
	return x
}

// finish ends the handler's use of the exchange.
func (x *exchange) finish() {
	x.trace = nil
	x.abandon()
	x.leave()
}

// leave ends one use; the last gives everything back.
func (x *exchange) leave() {
	if x.users.Add(-1) > 0 {
		return
	}
	x.op = replica.Operation{}
	x.g.release(x.reserved)
	x.g.exchanges.Put(x)
}

// run drives the request to its verdict.
func (x *exchange) run(ctx context.Context, now replica.Time) routing.Decision {
	for {
		if x.g.backend.Fenced() != nil {
			return x.route.Abandon(now)
		}
		m := x.g.backend.Map()
		d := x.route.Next(now, m)
		switch d.Step {
		case routing.Send:
			x.send(d, m)
			now = x.await(ctx, now, d.Until)
		case routing.Await:
			now = x.await(ctx, now, d.Until)
		case routing.WaitMap:
			now = x.waitMap(ctx, now, d)
		default:
			return d
		}
		if ctx.Err() != nil {
			return x.route.Abandon(now)
		}
	}
}

// send begins an attempt, and gives up one that is still under way.
func (x *exchange) send(d routing.Decision, m *partition.Map) {
	x.abandon()
	x.trace.attempt(d.To, &m.Partitions[x.op.Partition])
	x.op.Epoch, x.to = d.Epoch, d.To
	x.users.Add(1)
	x.attempt.begin()
	x.g.backend.Send(d.To, x.op, x.attempt.done)
}

// abandon gives up the attempt under way, if there is one: it ends its use of
// the exchange itself.
func (x *exchange) abandon() {
	if x.attempt.underWay && !x.attempt.abandon() {
		x.leave() // it has just ended
		return
	}
	if x.attempt.underWay {
		x.attempt = newAttempt(x)
	}
}

// await waits for the end of the attempt under way, until a time or until the
// client has left.
func (x *exchange) await(ctx context.Context, now, until replica.Time) replica.Time {
	x.timer.Reset(until.Sub(now))
	defer x.timer.Stop()
	defer x.trace.book(phaseAttempt)
	select {
	case end := <-x.attempt.ends:
		x.attempt.underWay = false
		x.leave()
		now = x.g.backend.Now()
		if end.sent == Certain {
			x.route.Answered(now, end.answer)
		} else {
			x.route.Failed(now, end.sent != NeverSent)
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
	if x.g.backend.WaitMap(ctx, d.After) != nil && x.g.backend.Fenced() == nil {
		<-ctx.Done() // where the node follows no map any more
	}
	return x.g.backend.Now()
}
