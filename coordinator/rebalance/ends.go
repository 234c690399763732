package rebalance

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// ends lists the moves that are done, and those that cannot be any more.
func (r *Rebalancer) ends(now time.Duration, m *partition.Map, health Health) (out []state.EndMove) {
	spare := make(map[moveID]time.Duration, len(r.spare))
	for i := range m.Moves {
		v := &m.Moves[i]
		c, placed := m.Partition(v.Partition)
		if !placed {
			continue
		}
		id := moveID{v.Partition, v.Since}
		end := state.EndMove{Partition: v.Partition, Since: v.Since, Reason: "done"}
		switch {
		case !done(m, c, v):
			if end.Reason = hopeless(m, c, v, health); end.Reason != "" {
				end.Cancel = true
				out = append(out, end)
			}
		case c.InSync(v.From):
			// Its primary takes it out, when nobody has to wait for that.
			since, seen := r.spare[id]
			if !seen {
				since = now
			}
			spare[id] = since
			if now-since >= r.config.Shrink {
				out = append(out, end)
			}
		default:
			out = append(out, end)
		}
	}
	r.spare = spare
	return out
}

// done reports whether nothing but the end is left of a move: who comes is in
// sync, and who leaves leads no more and can be spared.
func done(m *partition.Map, c *partition.Configuration, v *partition.Move) bool {
	if v.Primary != "" {
		return c.Primary == v.Primary
	}
	if v.To != "" && !c.InSync(v.To) || v.From != "" && c.Primary == v.From {
		return false
	}
	if _, eligible := partition.Find(c.Eligible, v.From); eligible {
		return false
	}
	return !c.InSync(v.From) || len(c.Replicas)-1 >= max(1, m.Settings.MinInSync)
}

// hopeless says why a move cannot be done; "" where it can.
func hopeless(m *partition.Map, c *partition.Configuration, v *partition.Move, health Health) string {
	if v.Primary != "" {
		switch {
		case !c.InSync(v.Primary):
			return fmt.Sprintf("%s is not in sync any more", v.Primary)
		case health[v.Primary].State == liveness.Suspected:
			return fmt.Sprintf("%s is suspected: %s", v.Primary, health[v.Primary].Reason)
		}
		return dutyless(m, v.Primary)
	}
	if v.From != "" && v.To == "" && !c.InSync(v.From) && !c.IsLearner(v.From) {
		return fmt.Sprintf("%s has left already", v.From)
	}
	if v.To == "" {
		return ""
	}
	if c.InSync(v.To) {
		// Who leaves has to stay, for too few others are in sync. Where some of
		// these will not come back, that takes another move.
		if held := held(m, c); c.InSync(v.From) && len(c.Replicas)-1 < m.Settings.MinInSync && held < m.Settings.ReplicationFactor {
			return fmt.Sprintf("only %d replicas of it are on nodes that should have them", held)
		}
		return ""
	}
	switch {
	case !c.IsLearner(v.To):
		return fmt.Sprintf("%s is no learner any more", v.To)
	case health[v.To].State == liveness.Suspected:
		return fmt.Sprintf("%s is suspected: %s", v.To, health[v.To].Reason)
	}
	return dutyless(m, v.To)
}

// held counts a partition's replicas, learners too, on nodes with full duty.
func held(m *partition.Map, c *partition.Configuration) (count int) {
	for _, list := range [2][]partition.Replica{c.Replicas, c.Learners} {
		for _, r := range list {
			if dutyless(m, r.Node) == "" {
				count++
			}
		}
	}
	return count
}

// dutyless says why a node should not be given anything.
func dutyless(m *partition.Map, id partition.NodeID) string {
	n, known := m.Node(id)
	if !known {
		return fmt.Sprintf("%s is gone", id)
	}
	if n.Duty != partition.Full {
		return fmt.Sprintf("%s is %v", id, n.Duty)
	}
	return ""
}
