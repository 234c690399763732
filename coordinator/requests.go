package coordinator

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// register takes a boot of a node into the map.
func (c *Coordinator) register(ctx context.Context, m protocol.Register) protocol.Reply {
	operation := fmt.Sprintf("register node %s", m.Node.ID)
	current := c.fsm.Map()
	if m.Application != "" && m.Application != current.Application {
		return protocol.Reply{Code: protocol.Refused, Text: fmt.Sprintf(
			"%s: it is for application %q, the cluster serves %q", operation, m.Application, current.Application)}
	}
	if m.ClusterID != "" && m.ClusterID != current.ClusterID {
		code := protocol.Refused
		if m.Map.Version > 0 {
			code = protocol.Retry // it runs in its cluster, and serves on
		}
		return protocol.Reply{Code: code, Text: fmt.Sprintf(
			"%s: its disk belongs to cluster %s, this is cluster %s", operation, m.ClusterID, current.ClusterID)}
	}
	if other, lost := supersededBy(current, &m); lost {
		return protocol.Reply{Code: protocol.Refused, Text: fmt.Sprintf(
			"%s: another start of the node took its place: %v on store %v at %s; stop one of the two processes", operation, other.Start(), other.Store, other.PeerAddr)}
	}
	silent, r := c.contest(&m.Node)
	if r != nil {
		return *r
	}
	command := state.Register{
		Node: m.Node, Copies: make([]state.Copy, len(m.Copies)), Live: c.settled(&m.Node),
		Accepted: m.Accepted, AcceptedIn: m.AcceptedIn, Since: m.Since, Silent: silent, Stateless: m.Stateless, Map: m.Map,
	}
	for i, v := range m.Copies {
		command.Copies[i] = state.Copy(v)
	}
	result, err := c.commit(ctx, command)
	if errors.Is(err, state.ErrMapBehind) {
		c.log.Warn("node reported, and waits", "node", m.Node.ID, "store", m.Node.Store.String(), "incarnation", m.Node.Incarnation, "err", err)
	}
	if err != nil {
		return protocol.Reply{Code: registrationCode(err), Text: fmt.Sprintf("%s: %v", operation, err), Above: result.Above}
	}
	for _, v := range result.Verdicts {
		if v.Err != nil {
			c.log.Warn("copy reported by a registration does not count", "node", m.Node.ID, "partition", v.Partition, "err", v.Err)
		}
	}
	c.log.Info("node registered", "node", m.Node.ID, "store", m.Node.Store.String(), "start", m.Node.Start().String(),
		"addr", m.Node.PeerAddr)
	return protocol.Reply{Code: protocol.OK, Version: c.fsm.Map().Version}
}

// supersededBy returns the start that took the place of one which asks whether
// it was superseded. A map older than the one that it saw proves nothing: the
// coordinators were restored since, and the registration is judged as any other.
func supersededBy(current *partition.Map, m *protocol.Register) (*partition.Node, bool) {
	n, known := current.Node(m.Node.ID)
	if m.Superseded == 0 || current.Version < m.Superseded || !known {
		return nil, false
	}
	return n, n.Store != m.Node.Store || m.Node.Start().SupersededBy(n.Start())
}

// registrationCode says what a node does whose registration failed.
func registrationCode(err error) protocol.Code {
	switch {
	case errors.Is(err, state.ErrMapBehind), // until the operator has recovered the map
		errors.Is(err, state.ErrOnlyCopy),     // until the operator has said which directory is right
		errors.Is(err, state.ErrAddressTaken): // until the other node is not heard from any more
		return protocol.Wait
	case errors.Is(err, state.ErrInvalid):
		return protocol.Invalid
	}
	return failed("", err).Code
}

// propose has changes judged and committed, together with those of others that
// wait at the same time. What is refused shows in the map.
func (c *Coordinator) propose(ctx context.Context, m protocol.Propose) protocol.Reply {
	for _, change := range m.Changes {
		if change.Proposer == "" {
			return protocol.Reply{Code: protocol.Invalid, Text: fmt.Sprintf("change %v: it has no proposer", change.Partition)}
		}
	}
	if err := c.proposals.commit(ctx, m.Changes); err != nil {
		return failed("propose", err)
	}
	return protocol.Reply{Code: protocol.OK, Version: c.fsm.Map().Version}
}

// logVerdicts tells of what a command changed, and of refusals worth knowing.
func (c *Coordinator) logVerdicts(changes []partition.Change, result state.Result) {
	for i, v := range result.Verdicts {
		switch {
		case v.Err == nil && i < len(changes):
			c.metrics.changes.WithLabelValues("accepted").Inc()
			c.log.Info("partition changed", "partition", v.Partition, "epoch", epochOf(v.Current),
				"primary", changes[i].Primary, "replicas", partition.Nodes(changes[i].Replicas),
				"node", changes[i].Proposer, "reason", changes[i].Reason)
		case errors.Is(v.Err, state.ErrStale):
			c.metrics.changes.WithLabelValues("stale").Inc()
		case v.Err != nil:
			c.metrics.changes.WithLabelValues("refused").Inc()
			c.log.Warn("change of a partition refused", "partition", v.Partition, "epoch", epochOf(v.Current), "err", v.Err)
		}
	}
}

func epochOf(c *partition.Configuration) partition.Epoch {
	if c == nil {
		return 0
	}
	return c.Epoch
}
