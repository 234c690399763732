package transport

import (
	"fmt"
	"time"
)

// coarse is how exact the time-outs of calls are.
const coarse = 2 * time.Millisecond

// watch ends calls whose time is up, keeps the connection alive, and ends it
// when the peer does not.
func (c *conn) watch() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-c.closed:
			return
		case <-timer.C:
		case <-c.poke:
		}
		expired, next, err := c.look(c.now())
		for _, done := range expired {
			done(nil, ErrTimeout)
		}
		if err != nil {
			c.fail(err)
			return
		}
		timer.Reset(max(time.Duration(next-c.now()), coarse))
	}
}

// look does what is due, and says when to look again.
func (c *conn) look(now int64) (expired []func([]byte, error), next int64, err error) {
	idle := int64(c.o.Idle)
	silent, unwritten := c.lastRead.Load(), c.lastWrite.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	expired = c.calls.expire(now)
	if c.held {
		silent = now // it is we who do not read
	}
	if now-silent >= idle {
		return expired, 0, fmt.Errorf("%w: nothing came for %s", ErrIdle, c.o.Idle)
	}
	next = min(c.calls.earliest, silent+idle)
	switch {
	case c.writing:
		if now-unwritten >= idle {
			return expired, 0, fmt.Errorf("%w: it took nothing for %s", ErrIdle, c.o.Idle)
		}
		next = min(next, unwritten+idle)
	case now-unwritten >= idle/3:
		if !c.closing && c.waits() == 0 {
			c.queue(Ordinary, pingFrame, 0, nil)
		}
		next = min(next, now+idle/3)
	default:
		next = min(next, unwritten+idle/3)
	}
	c.nextRun = next
	return expired, next, nil
}
