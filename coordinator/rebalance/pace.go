package rebalance

import (
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// moveCost is what a move counts for against the throttle, in bytes, however
// little it copies: its changes of the map, each with a new epoch and a round
// between the partition's replicas, take as much from clients as copying that
// does. Without it, the moves of small partitions came 30 in a second, and made
// writes several times slower for as long as they lasted.
const moveCost = 4 << 20

// pace spreads the moves that one node has to do with over time, by the throttle.
// It has the time from which a node is ready for another.
type pace map[partition.NodeID]time.Duration

// at is the pace at one time, for one map.
func (p pace) at(now time.Duration, m *partition.Map) paceNow {
	n := paceNow{pace: p, now: now}
	if m.Rebalance.Throttle > 0 {
		n.apart = time.Duration(float64(moveCost) / float64(m.Rebalance.Throttle) * float64(time.Second))
	}
	n.burst = n.apart * time.Duration(m.Rebalance.AtOnceEach)
	for id, ready := range p {
		if ready <= now-n.burst {
			delete(p, id)
		}
	}
	return n
}

type paceNow struct {
	pace
	now   time.Duration
	apart time.Duration // between the moves of a node
	burst time.Duration // so much of it may be made up for
}

// ready reports whether the node may have to do with another move.
func (n paceNow) ready(id partition.NodeID) bool { return n.pace[id] <= n.now }

// began counts a move of the node.
func (n paceNow) began(id partition.NodeID) {
	n.pace[id] = max(n.pace[id], n.now-n.burst) + n.apart
}
