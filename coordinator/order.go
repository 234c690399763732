package coordinator

import (
	"context"
	"fmt"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// Ordered is the answer to an operator's order about a node, a coordinator, or how
// moves are made. The same operation always gets the answer to its first time.
type Ordered struct {
	Version   uint64              `json:"version"` // of the map after it
	Node      partition.NodeID    `json:"node,omitempty"`
	Duty      partition.Duty      `json:"duty"`
	Weight    uint32              `json:"weight,omitempty"`
	Rebalance partition.Rebalance `json:"rebalance"`
	Done      bool                `json:"done"` // false: only a preview, nothing has changed
	Operation string              `json:"operation_id,omitempty"`
	MayLose   string              `json:"may_lose,omitempty"`
	// Incarnation is the start of the node that a preview was judged of.
	Incarnation uint64 `json:"incarnation,omitempty"`
}

// order carries out an operator's order, as the leader.
func (c *Coordinator) order(ctx context.Context, o protocol.Order) protocol.Reply {
	op := operationOf(&o)
	answer := func(known state.Operation) any { return orderedOf(&op, known) }
	known, found, err := c.recall(&op)
	if err != nil || found && !known.Open {
		return settled(&op, known, err, answer)
	}
	if o.Do == protocol.AddCoordinator || o.Do == protocol.RemoveCoordinator {
		known, err = c.changeVoters(ctx, &op, o.Do)
		return settled(&op, known, err, answer)
	}
	m := c.fsm.Map()
	if m.ClusterID == "" {
		return failed(op.what, state.ErrNoCluster)
	}
	if c.fsm.behind().Since != 0 && o.Do != protocol.AcceptStart {
		return failed(op.what, state.ErrMapBehind)
	}
	preview := Ordered{Node: o.Node, Operation: o.Operation, Version: m.Version, Rebalance: m.Rebalance}
	command, err := c.orderFor(m, &o, &preview)
	switch onlyLooks := o.Do == protocol.RemoveNode && o.Lost && !o.Confirm; {
	case onlyLooks && err != nil:
		return protocol.Reply{Code: protocol.Invalid, Text: fmt.Sprintf("%s: %v", op.what, err)}
	case onlyLooks:
		return answerWith(m.Version, preview)
	case err != nil:
		known, err = c.refuse(ctx, &op, err)
	default:
		known, err = c.settle(ctx, &op, state.Admin{Command: command, Note: preview.MayLose})
	}
	if err == nil && known.Refused == "" {
		c.log.Info("order of the operator carried out", "order", op.what, "operation", op.id)
	}
	return settled(&op, known, err, answer)
}

// operationOf names the order. A preview, and what it was judged from, is the same
// order: who repeats it may look again first, and gets the result.
func operationOf(o *protocol.Order) operation {
	op := operation{what: o.Do.String(), id: o.Operation, node: o.Node}
	if o.Node != "" {
		op.what += " " + string(o.Node)
	}
	same := *o
	same.Operation, same.Confirm, same.Incarnation = "", false, 0
	op.fingerprint = fingerprintOf(same)
	return op
}

// orderedOf is the answer to an order that was applied.
func orderedOf(op *operation, known state.Operation) Ordered {
	return Ordered{
		Version: known.Version, Node: op.node, Duty: known.Duty, Weight: known.Weight, Rebalance: known.Rebalance, Done: true,
		MayLose: known.Note, Operation: known.ID,
	}
}

// leastThrottle is the lowest throttle that an operator may order, in bytes a second:
// at less a value of the largest size would take longer than two minutes, and a move
// hours.
const leastThrottle = 64 << 10

// checkRebalance judges an operator's change of the rebalancing settings.
func checkRebalance(m *partition.Map, change *partition.RebalanceChange) error {
	if t := change.Throttle; t != nil && *t > 0 && *t < leastThrottle {
		return fmt.Errorf("throttle of %d bytes a second: want %d (64 KiB) or more, or 0 for none; pause stops moves", *t, leastThrottle)
	}
	return change.Of(m.Rebalance).Validate()
}

// orderFor is the command that an order comes to, with what a preview would say.
func (c *Coordinator) orderFor(m *partition.Map, o *protocol.Order, answer *Ordered) (state.Command, error) {
	if o.Do == protocol.Rebalance {
		return state.SetRebalance{Change: o.Rebalance}, checkRebalance(m, &o.Rebalance)
	}
	if o.Do == protocol.AcceptStart {
		return c.chooseStart(o)
	}
	n, known := m.Node(o.Node)
	if !known {
		return nil, fmt.Errorf("%w; there are %v", state.ErrUnknownNode, nodeNames(m))
	}
	answer.Duty, answer.Weight = n.Duty, n.Weight
	switch o.Do {
	case protocol.Undrain:
		return state.Assign{Node: n.ID, Duty: partition.Full}, nil
	case protocol.Weigh:
		return state.Weigh{Node: n.ID, Weight: o.Weight}, nil
	case protocol.RemoveNode:
		if o.Lost {
			if o.Incarnation != 0 && o.Incarnation != n.Incarnation {
				return nil, fmt.Errorf("%w: the node was started again: it is at start %d, and start %d was looked at", state.ErrStale, n.Incarnation, o.Incarnation)
			}
			answer.MayLose, answer.Incarnation = mayLoseWith(m, n.ID), n.Incarnation
			if c.health(m)[n.ID].State == liveness.Live {
				answer.MayLose += "; but the node lives: without --lost it gives away what it holds first"
			}
			return state.Remove{
				Node: n.ID, Store: n.Store, Incarnation: n.Incarnation, Duty: n.Duty, Lost: true, Live: c.live(),
			}, nil
		}
		return state.Assign{Node: n.ID, Duty: partition.Removing}, nil
	case protocol.Drain, protocol.Rebalance, protocol.AddCoordinator, protocol.RemoveCoordinator, protocol.AcceptStart:
	}
	return state.Assign{Node: n.ID, Duty: partition.Draining}, nil
}

// chooseStart finds the start that the operator accepts: of a directory that was
// refused because the map knows its store by another history, or because it has
// the only copy of a partition and started at another address.
func (c *Coordinator) chooseStart(o *protocol.Order) (state.Command, error) {
	var command *state.AcceptStart
	for _, u := range c.fsm.unsettled() {
		if !u.Disputed && !u.Elsewhere || u.Node != o.Node || o.Store != 0 && u.Store != o.Store {
			continue
		}
		if command != nil {
			return nil, fmt.Errorf("%w: node %s was refused with stores %v and %v; name one with --store", state.ErrInvalid, u.Node, command.Store, u.Store)
		}
		command = &state.AcceptStart{Node: u.Node, Store: u.Store, Start: u.Start, Accepted: u.Accepted}
	}
	if command == nil {
		return nil, fmt.Errorf("%w: start the node with the directory that is right, read why it is refused, and say this again", state.ErrNotDisputed)
	}
	return *command, nil
}

// mayLoseWith says in words what it costs to give up a node's disk.
func mayLoseWith(m *partition.Map, id partition.NodeID) string {
	last, thin := 0, 0
	for i := range m.Partitions {
		c := &m.Partitions[i]
		switch {
		case !c.InSync(id):
		case len(c.Replicas) == 1:
			last++
		case len(c.Replicas) <= m.Settings.MinInSync:
			thin++
		}
	}
	switch {
	case last > 0:
		return fmt.Sprintf("%d partitions, of which no other replica is in sync: each then waits for recover or unsafe-recover", last)
	case thin > 0:
		return fmt.Sprintf("nothing that was acknowledged; %d partitions take no writes until they have another replica", thin)
	}
	return "nothing that was acknowledged"
}

func nodeNames(m *partition.Map) (names []partition.NodeID) {
	for i := range m.Nodes {
		names = append(names, m.Nodes[i].ID)
	}
	return names
}
