package rebalance

import (
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// room is how many more moves may be under way.
type room struct {
	m    *partition.Map
	left int
	each map[partition.NodeID]int // under way, by node
	of   map[partition.ID]bool    // partitions of which one begins now
	pace *pace
}

func newRoom(m *partition.Map, p *pace) *room {
	r := &room{m: m, left: m.Rebalance.AtOnce - len(m.Moves), each: map[partition.NodeID]int{}, of: map[partition.ID]bool{}, pace: p}
	for i := range m.Moves {
		r.count(&m.Moves[i])
	}
	return r
}

func (r *room) count(v *partition.Move) {
	for _, id := range r.busy(v) {
		r.each[id]++
	}
}

// busy are the nodes that have work to do for a move: the primary sends, and who
// leaves has its copy to delete, if it is there.
func (r *room) busy(v *partition.Move) []partition.NodeID {
	var out []partition.NodeID
	add := func(id partition.NodeID) {
		if id != "" && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	if c, placed := r.m.Partition(v.Partition); placed {
		add(c.Primary)
		if c.InSync(v.From) {
			add(v.From)
		}
	}
	add(v.To)
	add(v.Primary)
	return out
}

// take reports whether the move may begin, and counts it.
func (r *room) take(v *partition.Move) bool {
	if r.left == 0 || r.of[v.Partition] {
		return false
	}
	for _, id := range r.busy(v) {
		if r.each[id] >= r.m.Rebalance.AtOnceEach || !r.pace.ready(id) {
			return false
		}
	}
	r.left--
	r.of[v.Partition] = true
	r.count(v)
	for _, id := range r.busy(v) {
		r.pace.began(id)
	}
	return true
}
