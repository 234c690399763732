package gateway

import (
	"sync/atomic"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

// attempt is one operation sent for an exchange. It is reused when it has been
// waited for, and left behind when it was given up.
type attempt struct {
	x        *exchange
	underWay bool          // the handler's own
	state    atomic.Uint32 // its end and its being given up race for it
	ends     chan end
	done     func(replica.Answer, Sent) // ended, bound once
}

// end is how an attempt ended.
type end struct {
	answer replica.Answer
	sent   Sent
}

const (
	attemptOpen uint32 = iota
	attemptEnded
	attemptGivenUp
)

func newAttempt(x *exchange) *attempt {
	a := &attempt{x: x, ends: make(chan end, 1)}
	a.done = a.ended
	return a
}

func (a *attempt) begin() {
	a.underWay = true
	a.state.Store(attemptOpen)
}

// ended takes the end of the attempt, on any goroutine. Whoever waits for it
// also ends its use of the exchange.
func (a *attempt) ended(answer replica.Answer, sent Sent) {
	if a.state.CompareAndSwap(attemptOpen, attemptEnded) {
		a.ends <- end{answer, sent}
		return
	}
	a.x.leave()
}

// abandon gives the attempt up; false if it has just ended.
func (a *attempt) abandon() bool {
	if a.state.CompareAndSwap(attemptOpen, attemptGivenUp) {
		return true
	}
	<-a.ends
	a.underWay = false
	return false
}
