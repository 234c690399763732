package client

import "context"

// TakeoverHook brings the in-sync replicas of a partition to this node's state: see
// OnTakeover.
type TakeoverHook func(ctx context.Context, w *Write) error

// OnTakeover registers the hook that is called when this node has become a
// partition's primary, before the first Write of it begins; Write waits for it. The
// hook brings every target to what this node has: it replaces all that a target has
// below w.Sequence, and the target refuses it where Accept refuses w.Epoch. Nil says
// that all targets but those it called w.Failed for have it now. After an error it is
// called again with the next Write. There is one such hook.
//
// Without it a read can go back: what the primary before wrote to some replicas only,
// and acknowledged to nobody, is seen at one primary and not at the next.
func (c *Client) OnTakeover(hook TakeoverHook) {
	c.leading.mu.Lock()
	defer c.leading.mu.Unlock()
	c.leading.mu.takeover = hook
}

// takeoverHook is the hook; nil if there is none, which is logged once.
func (l *leading) takeoverHook() TakeoverHook {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.takeover == nil && l.mu.untold {
		l.mu.untold = false
		l.c.log.Warn("no take-over hook: after a fail-over a read may not see what was read before", "node", l.c.config.NodeID)
	}
	return l.mu.takeover
}

// takeOver has the take-over hook bring all replicas to what this node has, once in
// a leadership.
func (l *leadership) takeOver(ctx context.Context) error {
	if l.isTakenOver() {
		return nil
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if l.isTakenOver() {
		return nil
	}
	if hook := l.c.leading.takeoverHook(); hook != nil {
		if _, err := l.write(ctx, true, hook); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.takenOver = true
	return nil
}

func (l *leadership) isTakenOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.takenOver
}
