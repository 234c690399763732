package coordinator

import (
	"encoding/json"
	"fmt"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// Ordered is the answer to an operator's order about a node, or about how moves
// are made.
type Ordered struct {
	Version   uint64              `json:"version"` // of the map after it
	Node      partition.NodeID    `json:"node,omitempty"`
	Duty      partition.Duty      `json:"duty"`
	Weight    uint32              `json:"weight,omitempty"`
	Rebalance partition.Rebalance `json:"rebalance"`
	Done      bool                `json:"done"` // false: only a preview, nothing has changed
	MayLose   string              `json:"may_lose,omitempty"`
	// Incarnation is the start of the node that a preview was judged of.
	Incarnation uint64 `json:"incarnation,omitempty"`
}

// order carries out an operator's order, as the leader.
func (c *Coordinator) order(o protocol.Order) protocol.Reply {
	operation := o.Do.String()
	if o.Node != "" {
		operation += " " + string(o.Node)
	}
	invalid := func(err error) protocol.Reply {
		return protocol.Reply{Code: protocol.Invalid, Text: fmt.Sprintf("%s: %v", operation, err)}
	}
	m := c.fsm.Map()
	if m.ClusterID == "" {
		return protocol.Reply{Code: protocol.Retry, Text: fmt.Sprintf("%s: %v", operation, state.ErrNoCluster)}
	}
	answer := Ordered{Node: o.Node, Done: true}
	var command state.Command
	switch o.Do {
	case protocol.Drain, protocol.Undrain, protocol.RemoveNode, protocol.Weigh:
		n, known := m.Node(o.Node)
		if !known {
			return invalid(fmt.Errorf("%w; there are %v", state.ErrUnknownNode, nodeNames(m)))
		}
		var err error
		if command, err = c.orderFor(m, n, &o, &answer); err != nil {
			return invalid(err)
		}
	case protocol.Rebalance:
		if err := checkRebalance(m, &o.Rebalance); err != nil {
			return invalid(err)
		}
		command = state.SetRebalance{Change: o.Rebalance}
	case protocol.AddCoordinator, protocol.RemoveCoordinator:
		change := c.addCoordinator
		if o.Do == protocol.RemoveCoordinator {
			change = c.removeCoordinator
		}
		if err := change(string(o.Node)); err != nil {
			return failed(operation, err)
		}
		c.log.Warn("order of the operator carried out", "order", operation)
	}
	if command != nil {
		if _, err := c.commit(command); err != nil {
			return failed(operation, err)
		}
		c.log.Info("order of the operator carried out", "order", operation)
	}
	after := c.fsm.Map()
	answer.Version, answer.Rebalance = after.Version, after.Rebalance
	if n, known := after.Node(o.Node); known {
		answer.Duty, answer.Weight = n.Duty, n.Weight
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return invalid(err)
	}
	return protocol.Reply{Code: protocol.OK, Version: after.Version, Body: body}
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

// orderFor is the command that an order about a node comes to; nil where it was
// only asked what would be lost.
func (c *Coordinator) orderFor(m *partition.Map, n *partition.Node, o *protocol.Order, answer *Ordered) (state.Command, error) {
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
			if answer.Done = o.Confirm; !o.Confirm {
				return nil, nil
			}
			return state.Remove{
				Node: n.ID, Store: n.Store, Incarnation: n.Incarnation, Duty: n.Duty, Lost: true, Live: c.live(),
			}, nil
		}
		return state.Assign{Node: n.ID, Duty: partition.Removing}, nil
	case protocol.Drain, protocol.Rebalance, protocol.AddCoordinator, protocol.RemoveCoordinator:
	}
	return state.Assign{Node: n.ID, Duty: partition.Draining}, nil
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
