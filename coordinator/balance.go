package coordinator

import (
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
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ticks.C:
		}
		m := c.fsm.Map()
		commands := c.rebalancer.Tick(c.now(), m, c.health(m))
		if !c.leading.Load() {
			continue
		}
		for _, command := range commands {
			result, err := c.commit(command)
			c.logBalance(m, command, result, err)
		}
	}
}

// logBalance tells what became of a rebalancer's command.
func (c *Coordinator) logBalance(before *partition.Map, command state.Command, result state.Result, err error) {
	if err != nil {
		c.log.Warn("rebalancing: command not committed", "err", err)
		return
	}
	refused := func(i int) bool {
		if i >= len(result.Verdicts) || result.Verdicts[i].Err == nil {
			return false
		}
		c.log.Warn("rebalancing: move refused", "partition", result.Verdicts[i].Partition, "err", result.Verdicts[i].Err)
		return true
	}
	switch v := command.(type) {
	case state.Assign:
		c.log.Warn("node has been away for too long: others get its replicas", "node", v.Node, "incarnation", v.Incarnation)
	case state.Remove:
		c.log.Info("node removed: it holds nothing any more", "node", v.Node)
	case state.Begin:
		for i := range v.Moves {
			if !refused(i) {
				c.metrics.moves.WithLabelValues("begun").Inc()
				c.log.Info("move begins", "move", v.Moves[i].String(), "reason", v.Moves[i].Reason)
			}
		}
	case state.End:
		for i, e := range v.Moves {
			if refused(i) {
				continue
			}
			what, move := "done", e.Partition.String()
			if e.Cancel {
				what = "cancelled"
			}
			if known, ok := before.Move(e.Partition); ok {
				move = known.String()
			}
			c.metrics.moves.WithLabelValues(what).Inc()
			c.log.Info("move ends", "move", move, "outcome", what, "reason", e.Reason)
		}
	}
}
