package dataplane

import (
	"github.com/holdfast-io/holdfast/dataplane/gateway"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/wire"
)

// pending is an operation that an executor has taken and not answered. It goes
// through the replica as the operation's tag.
type pending struct {
	done  func(replica.Answer, gateway.Sent) // of this node's gateway, or
	reply func(body []byte)                  // of another node's
	size  int64                              // what it holds in memory, bytes

	// The executor's list of all it has taken; only the executor touches these.
	previous, next *pending
}

// answered gives the settled answer.
func (p *pending) answered(a replica.Answer) {
	a.Tag = nil
	if p.done != nil {
		p.done(a, gateway.Certain)
		return
	}
	replyAnswer(p.reply, &a)
}

// replyAnswer sends an answer to another node. reply copies what it is given.
func replyAnswer(reply func([]byte), a *replica.Answer) {
	frame := framePool.Get().(*[]byte)
	*frame = wire.AppendAnswer((*frame)[:0], a)
	reply(*frame)
	putFrame(frame)
}

// overloaded ends an operation that there is no room for. The replica has not
// seen it, and so not looked for its request ID: the answer names no epoch, and
// proves nothing of other attempts.
func (p *pending) overloaded(op *replica.Operation) {
	a := replica.Answer{Outcome: replica.Overloaded, Partition: op.Partition}
	if p.done != nil {
		p.done(a, gateway.Certain)
		return
	}
	replyAnswer(p.reply, &a)
}

// refused ends an operation that certainly was not logged here: the node is
// closing. The sender may try again.
func (p *pending) refused(op *replica.Operation) {
	if p.done != nil {
		p.done(replica.Answer{}, gateway.NeverSent)
		return
	}
	a := replica.Answer{Outcome: replica.TimedOut, Partition: op.Partition, Epoch: op.Epoch}
	replyAnswer(p.reply, &a)
}

// abandoned ends one that a replica has and will not answer: it may be logged.
func (p *pending) abandoned() {
	if p.done != nil {
		p.done(replica.Answer{}, gateway.MaybeSent)
		return
	}
	a := replica.Answer{Outcome: replica.Unknown}
	replyAnswer(p.reply, &a)
}

// pendingList is a ring of the pending operations, around itself.
type pendingList struct{ root pending }

func (l *pendingList) init() { l.root.previous, l.root.next = &l.root, &l.root }

func (l *pendingList) add(p *pending) {
	p.previous, p.next = l.root.previous, &l.root
	p.previous.next, p.next.previous = p, p
}

func (l *pendingList) remove(p *pending) {
	p.previous.next, p.next.previous = p.next, p.previous
	p.previous, p.next = nil, nil
}

// drain removes all, and calls f with each.
func (l *pendingList) drain(f func(*pending)) {
	for p := l.root.next; p != &l.root; p = l.root.next {
		l.remove(p)
		f(p)
	}
}

// operationOverhead is what an operation takes in memory besides its key and
// value, in bytes, roughly.
const operationOverhead = 512

func operationSize(op *replica.Operation) int64 {
	return int64(operationOverhead + len(op.Key) + len(op.Value))
}
