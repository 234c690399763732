package coordinator

import (
	"fmt"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// A start that was superseded asks; it does not take the place back from the
// start that has it, so that two processes never take it from each other in turn.
func TestASupersededStartAsksAndClaimsNothing(t *testing.T) {
	t.Parallel()
	node := func(store partition.StoreID, incarnation uint64, id partition.StartID) partition.Node {
		return partition.Node{ID: "n1", Store: store, Incarnation: incarnation, StartID: id, PeerAddr: "h:1"}
	}
	self := node(5, 3, 33)
	for name, test := range map[string]struct {
		version, saw uint64
		in           partition.Node
		want         bool
	}{
		"another store":                       {9, 8, node(6, 1, 11), true},
		"a later start":                       {8, 8, node(5, 4, 44), true},
		"another start with the same counter": {8, 8, node(5, 3, 34), true},
		"it never was superseded":             {9, 0, node(6, 1, 11), false},
		"the map went back since":             {7, 8, node(6, 1, 11), false},
		"it has the place again":              {9, 8, self, false},
		"an earlier start has it":             {9, 8, node(5, 2, 22), false},
	} {
		m := &partition.Map{Version: test.version, Nodes: []partition.Node{test.in}}
		request := protocol.Register{Node: self, Superseded: test.saw}
		if _, got := supersededBy(m, &request); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
		if !test.want {
			continue
		}
		c := &Coordinator{fsm: &fsm{}} // it needs no Raft to answer
		c.fsm.current.Store(m)
		if reply := c.register(t.Context(), request); reply.Code != protocol.Refused {
			t.Errorf("%s: answered %+v", name, reply)
		}
	}
}

// What a node does whose registration failed is decided by the error alone.
func TestRegistrationCodes(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]protocol.Code{
		errNotApplied: protocol.Retry, state.ErrNoCluster: protocol.Retry, state.ErrMayRun: protocol.Retry, errOutcomeUnknown: protocol.Unknown,
		state.ErrMapBehind: protocol.Wait, state.ErrOnlyCopy: protocol.Wait, state.ErrAddressTaken: protocol.Wait,
		state.ErrOldStart: protocol.Refused, state.ErrTwoHistories: protocol.Refused, state.ErrElsewhere: protocol.Refused,
		state.ErrStoreTaken: protocol.Refused, state.ErrRemoved: protocol.Removed, state.ErrInvalid: protocol.Invalid,
	} {
		if got := registrationCode(fmt.Errorf("register node n1: %w", err)); got != want {
			t.Errorf("%v: code %d, want %d", err, got, want)
		}
	}
}
