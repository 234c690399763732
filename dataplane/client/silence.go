package client

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

const (
	// patience is for how long one server may be silent while there are others to
	// ask: it may have been stopped. It grows with each attempt.
	patience = 2 * time.Second
	// beyondWait is for how long a server may be silent beyond the time that it
	// was asked to wait: then it has forgotten the request, or cannot be reached.
	beyondWait = 2 * time.Second
	// promptly is for how long one may be silent that has nothing to wait for.
	promptly = 10 * time.Second
	// checks is how often a limit's time the connection is looked at.
	checks = 4
)

// silenceLimit is how long a server may be silent in an attempt.
func silenceLimit(k *call, wait time.Duration, number int, others bool) time.Duration {
	limit := promptly
	if k.ofKey() {
		limit = wait + beyondWait
	}
	if others {
		limit = min(limit, patience*time.Duration(number))
	}
	return limit
}

// silence ends an attempt in which no byte has moved for a while, in either
// direction. While bytes move it lets the attempt take as long as it needs: a
// large value over a slow link is no sign of a server that has stopped.
type silence struct {
	limit  time.Duration
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu     sync.Mutex
	timer  *time.Timer
	conn   net.Conn // nil: not connected yet
	queued int      // bytes that the system has yet to send, at the last check
	last   time.Time
	fired  error
}

// watchSilence returns the context of an attempt, which ends after a silence of
// the limit. The caller calls end.
func watchSilence(ctx context.Context, limit time.Duration) (context.Context, *silence) {
	s := &silence{limit: limit, last: time.Now()}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(limit/checks, s.check)
	return s.ctx, s
}

func (s *silence) end() {
	s.cancel(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer.Stop()
}

// use names the connection that the attempt uses.
func (s *silence) use(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn, s.queued, s.last = c, 0, time.Now()
}

// moved is told of bytes that were taken from the request or came of the answer.
func (s *silence) moved(int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
}

// check ends the attempt, or looks again later.
func (s *silence) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	// What the system has taken of the request is still on its way: a change
	// shows that the server's system takes it.
	if n := queuedBytes(s.conn); n != s.queued {
		s.queued, s.last = n, time.Now()
	}
	left := s.limit - time.Since(s.last)
	if left <= 0 {
		s.fired = fmt.Errorf("no byte moved for %v", s.limit)
		s.cancel(s.fired)
		return
	}
	s.timer.Reset(min(left, s.limit/checks))
}

// explain returns why the attempt failed: silence where that ended it.
func (s *silence) explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fired != nil {
		return s.fired
	}
	return err
}
