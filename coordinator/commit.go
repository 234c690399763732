package coordinator

import (
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
)

// errUncommitted says that a command could not be committed for now. It may be
// committed yet; every command may be repeated.
var errUncommitted = errors.New("not committed")

// enqueueTimeout bounds the wait for Raft to take a command.
const enqueueTimeout = time.Second

// commit applies a command through Raft, as the leader. Its error wraps
// errUncommitted where the command may be tried again, and is the machine's own
// where the command as a whole was refused.
func (c *Coordinator) commit(command state.Command) (state.Result, error) {
	g := c.group.Load()
	if g == nil {
		return state.Result{}, fmt.Errorf("%w: %w", errUncommitted, errNotRunning)
	}
	raw, err := state.Encode(command)
	if err != nil {
		return state.Result{}, err
	}
	begin := time.Now()
	future := g.raft.Apply(raw, enqueueTimeout)
	if err := future.Error(); err != nil {
		c.metrics.commits.WithLabelValues("uncommitted").Inc()
		return state.Result{}, fmt.Errorf("%w: %w", errUncommitted, err)
	}
	c.metrics.commitSeconds.Observe(time.Since(begin).Seconds())
	result, ok := future.Response().(state.Result)
	if !ok {
		return state.Result{}, fmt.Errorf("%w: Raft answered with %T", errUncommitted, future.Response())
	}
	if result.Err != nil {
		c.metrics.commits.WithLabelValues("refused").Inc()
		return result, result.Err
	}
	c.metrics.commits.WithLabelValues("applied").Inc()
	return result, nil
}
