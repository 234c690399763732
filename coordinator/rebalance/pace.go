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
type pace struct {
	now      time.Duration
	throttle int64 // 0: none
	// owed is what the moves that a node had to do with cost, less what the throttle
	// has let pass since, in bytes. Below zero, down to less, it may be made up for.
	owed map[partition.NodeID]float64
	less float64
}

func newPace() *pace { return &pace{owed: map[partition.NodeID]float64{}} }

// pass lets time go by, at the throttle that there is now.
func (p *pace) pass(now time.Duration, r partition.Rebalance) {
	paid := (now - p.now).Seconds() * float64(r.Throttle)
	p.now, p.throttle, p.less = now, r.Throttle, -moveCost*float64(r.AtOnceEach)
	for id, owed := range p.owed {
		if p.owed[id] = owed - paid; owed-paid <= p.less || r.Throttle == 0 {
			delete(p.owed, id)
		}
	}
}

// ready reports whether the node may have to do with another move.
func (p *pace) ready(id partition.NodeID) bool { return p.throttle == 0 || p.owed[id] <= 0 }

// began counts a move of the node.
func (p *pace) began(id partition.NodeID) {
	owed, known := p.owed[id]
	if !known {
		owed = p.less
	}
	p.owed[id] = owed + moveCost
}
