package client

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/cenkalti/backoff/v5"
)

// subscription calls one lifecycle hook with events: in order, one at a time,
// again after an error, with a growing pause. Later events wait meanwhile.
type subscription[E any] struct {
	c    *Client
	what string // in the log
	hook func(ctx context.Context, e E) error

	mu    sync.Mutex
	queue []E
	busy  bool
}

// add has the hook called with more events. Only the delivering goroutine calls
// it, which ends before the client waits for hooks.
func (s *subscription[E]) add(events ...E) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, events...)
	if len(s.queue) > 0 && !s.busy && s.c.ctx.Err() == nil {
		s.busy = true
		s.c.hooks.wg.Go(s.run)
	}
}

func (s *subscription[E]) run() {
	retry := backoff.NewExponentialBackOff()
	retry.InitialInterval, retry.MaxInterval = hookRetryFirst, hookRetryMost
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || s.c.ctx.Err() != nil {
			s.busy = false
			s.mu.Unlock()
			return
		}
		e := s.queue[0]
		s.mu.Unlock()
		if err := guarded(func() error { return s.hook(s.c.ctx, e) }); err != nil {
			s.c.log.Warn("hook failed", "hook", s.what, "err", err)
			s.c.pause(retry.NextBackOff())
			continue
		}
		retry.Reset()
		s.mu.Lock()
		s.queue = s.queue[1:]
		s.mu.Unlock()
	}
}

// guarded calls a hook; a panic is an error.
func guarded(hook func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("hook panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return hook()
}
