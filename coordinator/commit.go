package coordinator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-io/holdfast/coordinator/state"
)

var (
	// errNotApplied says that a command is not in Raft's log, and never will be.
	errNotApplied = errors.New("not applied")
	// errOutcomeUnknown says that a command may have been applied, or may yet be.
	errOutcomeUnknown = errors.New("outcome unknown")
	errNotRunning     = errors.New("raft does not run here now")
	// errComparing says that a new leader has yet to hear which map the nodes have.
	errComparing = errors.New("the leader is new, and waits to hear which map each node has")
)

// enqueueTimeout bounds the wait for Raft to take a command.
const enqueueTimeout = time.Second

// commit applies a command through Raft, as the leader, and waits no longer than
// ctx. Its error wraps errNotApplied or errOutcomeUnknown, or is the machine's own
// where the command as a whole was refused.
func (c *Coordinator) commit(ctx context.Context, command state.Command) (state.Result, error) {
	g := c.group.Load()
	if g == nil || g.raft.State() == raft.Shutdown {
		return state.Result{}, fmt.Errorf("%w: %w", errNotApplied, errNotRunning)
	}
	if changesMap(command) && !c.mayChange() && c.fsm.behind().Since == 0 {
		return state.Result{}, fmt.Errorf("%w: %w", errNotApplied, errComparing)
	}
	raw, err := state.Encode(command)
	if err != nil {
		return state.Result{}, err
	}
	if err := ctx.Err(); err != nil {
		return state.Result{}, fmt.Errorf("%w: %w", errNotApplied, err)
	}
	begin := time.Now()
	future := g.raft.Apply(raw, within(ctx, enqueueTimeout))
	if err := await(ctx, future); err != nil {
		outcome := "unknown"
		if errors.Is(err, errNotApplied) {
			outcome = "not-applied"
		}
		c.metrics.commits.WithLabelValues(outcome).Inc()
		return state.Result{}, err
	}
	c.metrics.commitSeconds.Observe(time.Since(begin).Seconds())
	result, ok := future.Response().(state.Result)
	if !ok {
		return state.Result{}, fmt.Errorf("%w: Raft answered with %T", errOutcomeUnknown, future.Response())
	}
	if result.Err != nil {
		c.metrics.commits.WithLabelValues("refused").Inc()
		return result, result.Err
	}
	c.metrics.commits.WithLabelValues("applied").Inc()
	return result, nil
}

// commitOwn is commit for a command that no request waits for. What does not get
// through in time is proposed again while it is still wanted.
func (c *Coordinator) commitOwn(command state.Command) (state.Result, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.config.Timings.Forward)
	defer cancel()
	return c.commit(ctx, command)
}

// barrier waits until everything that was in the log before is applied here.
func (c *Coordinator) barrier(g *raftGroup) error {
	ctx, cancel := context.WithTimeout(c.ctx, c.config.Timings.Forward)
	defer cancel()
	return await(ctx, g.raft.Barrier(within(ctx, enqueueTimeout)))
}

// within is the time that is left of ctx, above zero and at most limit. Raft takes
// zero for no limit.
func within(ctx context.Context, limit time.Duration) time.Duration {
	if deadline, bounded := ctx.Deadline(); bounded {
		limit = min(limit, time.Until(deadline))
	}
	return max(limit, time.Millisecond)
}

// await waits for what Raft was asked for, and no longer than ctx. Raft cannot give
// a command up: after the end of ctx a goroutine waits on, until Raft answers.
func await(ctx context.Context, future raft.Future) error {
	answered := make(chan error, 1)
	go func() { answered <- future.Error() }()
	select {
	case err := <-answered:
		return outcome(err)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errOutcomeUnknown, ctx.Err())
	}
}

// outcome sorts Raft's errors by what became of the command. Raft returns these
// three only for what it has not put in its log: its queue has no room for a
// command that nobody takes. ErrLeadershipLost is of commands that are in the log
// and that the next leader may commit. ErrRaftShutdown and errors of the disk may
// be either.
func outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrEnqueueTimeout), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", errNotApplied, err)
	}
	return fmt.Errorf("%w: %w", errOutcomeUnknown, err)
}
