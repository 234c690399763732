package coordinator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// connectTimeout bounds the wait for a coordinator that is to be added and has
// perhaps started just now.
const connectTimeout = 5 * time.Second

// changeVoters adds a coordinator, or removes one, as the leader. It takes several
// steps: the operation is on record before the first, so that whoever repeats it
// goes on where it was, and does nothing that another operation has undone since.
func (c *Coordinator) changeVoters(ctx context.Context, op *operation, do protocol.Do) (state.Operation, error) {
	select {
	case c.changing <- struct{}{}: // one change at a time
		defer func() { <-c.changing }()
	case <-ctx.Done():
		return state.Operation{}, fmt.Errorf("%w: another change of the coordinators is under way: %w", errNotApplied, ctx.Err())
	}
	known, _, err := c.recall(op) // another copy of this request may be done by now
	if err != nil || known.ID != "" && !known.Open {
		return known, err
	}
	change := c.addCoordinator
	if do == protocol.RemoveCoordinator {
		change = c.removeCoordinator
	}
	known, err = change(ctx, op, known)
	var reason refusal
	if errors.As(err, &reason) {
		return c.refuse(ctx, op, reason)
	}
	if err == nil && known.Refused == "" {
		c.log.Warn("order of the operator carried out", "order", op.what, "operation", op.id)
	}
	return known, err
}

// refusal is why the leader does not carry an operation out.
type refusal struct{ error }

func refused(format string, args ...any) error { return refusal{fmt.Errorf(format, args...)} }

// placeOf is the operation's own view of a coordinator's place, which is refused
// where another operation has given the place away since.
func (c *Coordinator) placeOf(id string, open state.Operation) (state.Seat, error) {
	now := state.SeatFor(c.fsm.seats(), id, 0)
	if open.Open && now.Since != open.Since {
		return now, refused("%w: another command gave the place of %s away meanwhile", state.ErrStale, id)
	}
	return now, nil
}

// voters are the coordinators that Raft counts, by its newest configuration.
func (g *raftGroup) voters() ([]string, error) {
	future := g.raft.GetConfiguration() // never waits
	if err := future.Error(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotApplied, err)
	}
	var ids []string
	for _, s := range future.Configuration().Servers {
		ids = append(ids, string(s.ID))
	}
	return ids, nil
}

// removeCoordinator takes a coordinator out of the group: from then on its place is
// vacant. One at a time, and only while a majority of those that stay can be
// reached.
func (c *Coordinator) removeCoordinator(ctx context.Context, op *operation, open state.Operation) (state.Operation, error) {
	id, g := string(op.node), c.group.Load()
	vacate, err := c.placeOf(id, open)
	if err != nil {
		return open, err
	}
	if !open.Open {
		if err := c.mayRemove(g, id); err != nil {
			return open, err
		}
		if open, err = c.settle(ctx, op, state.Admin{Open: true, Since: vacate.Since}); err != nil || !open.Open {
			return open, err
		}
	}
	if err := await(ctx, g.raft.RemoveServer(raft.ServerID(id), 0, within(ctx, enqueueTimeout))); err != nil {
		return open, err
	}
	return c.finish(ctx, op, state.Admin{Command: vacate})
}

// mayRemove judges the group without a coordinator.
func (c *Coordinator) mayRemove(g *raftGroup, id string) error {
	voters, err := g.voters()
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(c.memberIDs, id):
		return refused("there is no coordinator %s; there are %v", id, c.memberIDs)
	case id == c.config.ID:
		return refused("it leads: end it first, and another leads")
	case !slices.Contains(voters, id):
		if c.vacant(id) {
			return refused("it was removed already; holdfast coordinators add %s gives its place to a new directory", id)
		}
	case len(voters) < len(c.memberIDs):
		return refused("another coordinator is out: of %v only %v are in; add that one first", c.memberIDs, voters)
	}
	staying, reached := 0, 0
	for _, v := range voters {
		if v == id {
			continue
		}
		staying++
		if p, other := c.peers[v]; !other || p.link.Connected() {
			reached++
		}
	}
	if reached <= staying/2 {
		return refused("of the %d that would stay only %d can be reached: too few to go on", staying, reached)
	}
	return nil
}

// addCoordinator gives a vacant place to the directory of the coordinator that
// waits for it. What it stores is on record before it may vote, so that nobody
// takes another directory for it.
func (c *Coordinator) addCoordinator(ctx context.Context, op *operation, open state.Operation) (state.Operation, error) {
	id, g := string(op.node), c.group.Load()
	give, err := c.placeOf(id, open)
	if err != nil {
		return open, err
	}
	if !open.Open {
		if give.Store, err = c.mayAdd(ctx, g, id); err != nil {
			return open, err
		}
		if open, err = c.settle(ctx, op, state.Admin{Open: true, Command: give}); err != nil || !open.Open {
			return open, err
		}
	}
	p, known := c.peers[id]
	if !known {
		return open, refused("there is no other coordinator %s", id)
	}
	future := g.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(p.addr), 0, within(ctx, enqueueTimeout))
	if err := await(ctx, future); err != nil {
		return open, partly(err)
	}
	return c.finish(ctx, op, state.Admin{})
}

// mayAdd returns the directory that waits for the vacant place.
func (c *Coordinator) mayAdd(ctx context.Context, g *raftGroup, id string) (partition.StoreID, error) {
	voters, err := g.voters()
	if err != nil {
		return 0, err
	}
	p, known := c.peers[id]
	if !known || slices.Contains(voters, id) {
		return 0, refused("it is none whose place is vacant; in are %v of %v", voters, c.memberIDs)
	}
	wait := within(ctx, 2*connectTimeout) / 2 // the rest is for the answer
	for begin := c.now(); !p.link.Connected() && c.now()-begin < wait && ctx.Err() == nil; {
		c.pause(retryLeader)
	}
	if err := ctx.Err(); err != nil {
		return 0, fmt.Errorf("%w: %s cannot be reached: %w", errNotApplied, id, err)
	}
	hello, heard := p.link.Identity().(protocol.Hello)
	if !heard || !p.link.Connected() || hello.Store == 0 {
		return 0, refused("it cannot be reached at %s: start it there, with an empty directory, then say it again", p.addr)
	}
	store, given := seatOf(c.fsm.seats(), id)
	switch {
	case !given:
		return 0, refused("its place is not vacant: holdfast coordinators remove %s comes first", id)
	case store != 0 && store != hello.Store:
		return 0, refused("its place belongs to another directory: holdfast coordinators remove %s comes first", id)
	}
	return hello.Store, nil
}

// finish takes the last step of an operation, of which others are done by now.
func (c *Coordinator) finish(ctx context.Context, op *operation, last state.Admin) (state.Operation, error) {
	known, err := c.settle(ctx, op, last)
	return known, partly(err)
}

// partly makes an error of a later step one of the whole operation: what was done
// before stands, so that it cannot be said to be not applied.
func partly(err error) error {
	if errors.Is(err, errNotApplied) {
		return fmt.Errorf("%w: the command is done in part; the same again completes it: %v", errOutcomeUnknown, err) //nolint:errorlint // it is not errNotApplied
	}
	return err
}
