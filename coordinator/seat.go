package coordinator

import (
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// answerFor tells a coordinator without Raft state what it needs to know. Places
// that were given anew count in place of the founding directories: what the Raft
// log says of them was committed.
func (c *Coordinator) answerFor(asker protocol.Seen) protocol.Answer {
	own := c.memberCopy()
	a := protocol.Answer{Self: protocol.Seen{ID: own.ID, Store: own.Store}, Group: own.seen(), ClusterID: own.ClusterID, Strangers: c.strangers()}
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
