package coordinator

import (
	"errors"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// balanceEvery is how often the rebalancer looks whether moves are to begin or
// to end.
const balanceEvery = 50 * time.Millisecond

// balance has the rebalancer move partitions. Every coordinator runs one, so that
// each knows for how long nodes have been away; only what the leader's wants is
// done.
func (c *Coordinator) balance() {
	ticks := time.NewTicker(balanceEvery)
	defer ticks.Stop()
	seen := c.fsm.Map()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticks.C:
		}
		m := c.fsm.Map()
		leading := c.leading.Load()
		if leading {
			c.noteMoves(seen, m)
		}
		seen = m
		if !c.mayChange() || c.fsm.behind().Since != 0 {
			c.rebalancer.Watch(c.now(), m, c.health(m))
			continue
		}
		commands := c.rebalancer.Tick(c.now(), m, c.health(m))
		for _, command := range commands {
			result, err := c.commitOwn(command)
			c.logBalance(m, command, result, err)
		}
	}
}

// noteMoves tells which moves began and ended from one map to a later one. Most
// end with the change that takes out who was to leave.
func (c *Coordinator) noteMoves(before, after *partition.Map) {
	if len(before.Moves)+len(after.Moves) == 0 || before == after {
		return
	}
	for _, d := range partition.Compare(&partition.Map{Moves: before.Moves}, &partition.Map{Moves: after.Moves}).Moves {
		if d.Old != nil {
			c.metrics.moves.WithLabelValues("ended", kindOf(d.Old)).Inc()
			c.log.Info("move has ended", "move", d.Old.String())
		}
		if d.New != nil {
			c.metrics.moves.WithLabelValues("begun", kindOf(d.New)).Inc()
			c.log.Info("move begins", "move", d.New.String(), "reason", d.New.Reason)
		}
	}
}

// kindOf is what a move moves.
func kindOf(v *partition.Move) string {
	if v.Primary != "" {
		return "primary"
	}
	return "replica"
}

// logBalance tells what became of a rebalancer's command.
func (c *Coordinator) logBalance(m *partition.Map, command state.Command, result state.Result, err error) {
	if errors.Is(err, state.ErrStale) {
		c.log.Debug("rebalancing: the map changed after the plan; planning again", "err", err)
		return
	}
	if err != nil {
		c.log.Warn("rebalancing: command not committed", "err", err)
		return
	}
	for _, v := range result.Verdicts {
		if v.Err != nil {
			c.log.Warn("rebalancing: move refused", "partition", v.Partition, "err", v.Err)
		}
	}
	switch v := command.(type) {
	case state.Assign:
		if v.Duty == partition.Replaced {
			c.log.Warn("node has been away for too long: others get its replicas", "node", v.Node, "incarnation", v.Incarnation)
		} else {
			c.log.Info("node is back after others got its replicas: it gets its share again", "node", v.Node, "incarnation", v.Incarnation)
		}
	case state.Remove:
		c.log.Info("node removed: it holds nothing any more", "node", v.Node)
	case state.End:
		for i, e := range v.Moves {
			known, ok := m.Move(e.Partition)
			if ok && e.Cancel && result.Verdicts[i].Err == nil {
				c.metrics.moves.WithLabelValues("cancelled", kindOf(known)).Inc()
				c.log.Info("move is cancelled", "move", known.String(), "reason", e.Reason)
			}
		}
	}
}
