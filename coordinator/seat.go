package coordinator

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// seatTimeout bounds a change of Raft's configuration.
const seatTimeout = 5 * time.Second

// answerFor tells a coordinator without Raft state what it needs to know. Places
// that were given anew count in place of the founding directories: what the Raft
// log says of them was committed.
func (c *Coordinator) answerFor(asker protocol.Seen) protocol.Answer {
	own := c.memberCopy()
	a := protocol.Answer{Self: protocol.Seen{ID: own.ID, Store: own.Store}, Group: own.seen(), ClusterID: own.ClusterID}
	if len(a.Group) == 0 {
		return a
	}
	a.Token = own.token()
	for _, s := range c.fsm.seats() {
		for i := range a.Group {
			if a.Group[i].ID == s.Coordinator {
				a.Group[i].Store = s.Store
			}
		}
		if s.Coordinator == asker.ID {
			a.Vacant, a.Seated = s.Store == 0, s.Store == asker.Store
		}
	}
	return a
}

// seatOf is which directory a coordinator's place belongs to, if that is not the
// one it was founded with.
func seatOf(seats []state.Voter, id string) (store partition.StoreID, given bool) {
	for _, s := range seats {
		if s.Coordinator == id {
			return s.Store, true
		}
	}
	return 0, false
}

// vacant reports whether a coordinator was removed, and nobody has its place.
func (c *Coordinator) vacant(id string) bool {
	store, given := seatOf(c.fsm.seats(), id)
	return given && store == 0
}

// voters are the coordinators that Raft counts, by its newest configuration.
func (g *raftGroup) voters() ([]string, error) {
	future := g.raft.GetConfiguration()
	if err := future.Error(); err != nil {
		return nil, fmt.Errorf("%w: %w", errUncommitted, err)
	}
	var ids []string
	for _, s := range future.Configuration().Servers {
		ids = append(ids, string(s.ID))
	}
	return ids, nil
}

// removeCoordinator takes a coordinator out of the group, as the leader: from
// then on its place is vacant. One at a time, and only while a majority of those
// that stay can be reached.
func (c *Coordinator) removeCoordinator(id string) error {
	g, seats := c.group.Load(), c.fsm.seats()
	voters, err := g.voters()
	if err != nil {
		return err
	}
	switch {
	case !slices.Contains(c.memberIDs, id):
		return fmt.Errorf("there is no coordinator %s; there are %v", id, c.memberIDs)
	case id == c.config.ID:
		return fmt.Errorf("it leads: end it first, and another leads")
	case !slices.Contains(voters, id):
		if c.vacant(id) {
			return fmt.Errorf("it was removed already; holdfast coordinators add %s gives its place to a new directory", id)
		}
	case len(voters) < len(c.memberIDs):
		return fmt.Errorf("another coordinator is out: of %v only %v are in; add that one first", c.memberIDs, voters)
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
		return fmt.Errorf("of the %d that would stay only %d can be reached: too few to go on", staying, reached)
	}
	if err := g.raft.RemoveServer(raft.ServerID(id), 0, seatTimeout).Error(); err != nil {
		return fmt.Errorf("%w: %w", errUncommitted, err)
	}
	_, err = c.commit(state.SeatFor(seats, id, 0))
	return err
}

// addCoordinator gives a vacant place to the directory of the coordinator that
// waits for it, as the leader. What it stores is on record before it may vote, so
// that nobody takes another directory for it.
func (c *Coordinator) addCoordinator(id string) error {
	g := c.group.Load()
	voters, err := g.voters()
	if err != nil {
		return err
	}
	p, known := c.peers[id]
	if !known || slices.Contains(voters, id) {
		return fmt.Errorf("it is none whose place is vacant; in are %v of %v", voters, c.memberIDs)
	}
	// It may have started just now.
	for begin := c.now(); !p.link.Connected() && c.now()-begin < seatTimeout && c.ctx.Err() == nil; {
		c.pause(retryLeader)
	}
	hello, heard := p.link.Identity().(protocol.Hello)
	if !heard || !p.link.Connected() || hello.Store == 0 {
		return fmt.Errorf("it cannot be reached at %s: start it there, with an empty directory, then say it again", p.addr)
	}
	seats := c.fsm.seats()
	store, given := seatOf(seats, id)
	switch {
	case !given:
		return fmt.Errorf("its place is not vacant: holdfast coordinators remove %s comes first", id)
	case store != 0 && store != hello.Store:
		return fmt.Errorf("its place belongs to another directory: holdfast coordinators remove %s comes first", id)
	}
	if _, err := c.commit(state.SeatFor(seats, id, hello.Store)); err != nil {
		return err
	}
	if err := g.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(p.addr), 0, seatTimeout).Error(); err != nil {
		return fmt.Errorf("%w: %w", errUncommitted, err)
	}
	return nil
}
