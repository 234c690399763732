package coordinator

import (
	"github.com/holdfast-io/holdfast/coordinator/state"
)

// mayChange reports whether this coordinator, as the leader, may change the map: it
// has heard in this term which map each node has, or the node is silent. Until then
// the coordinators may have been restored from an old backup without knowing it, and
// what they changed could contradict what the nodes have adopted.
func (c *Coordinator) mayChange() bool {
	if !c.leading.Load() {
		return false
	}
	m := c.fsm.Map()
	c.liveness.Lock()
	defer c.liveness.Unlock()
	return c.liveness.detector.AllCompared(c.now(), m)
}

// changesMap reports whether a command may change the map of a cluster that is there.
func changesMap(command state.Command) bool {
	switch command.(type) {
	case state.Create, state.NoteBehind, state.NoteRestored, state.RecoverMap, state.Seat:
		return false
	}
	return true
}
