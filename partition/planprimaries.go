package partition

import "fmt"

// primaries lists who should become primary, as few changes as make it even.
// That comes last: while a replica moves or learns, or a node with full duty is
// not live, it would be undone.
func (p *plan) primaries() []Move {
	if !p.allTake || len(p.m.Moves) > 0 {
		return nil
	}
	sets, current := make([][]int, len(p.set)), make([]int, len(p.set))
	for i := range p.m.Partitions {
		c := &p.m.Partitions[i]
		current[i] = -1
		if p.fixed[i] {
			continue
		}
		for _, r := range c.Replicas {
			n, full := p.number[r.Node]
			if !full || len(c.Learners) > 0 {
				return nil
			}
			sets[i] = append(sets[i], n)
			if r.Node == c.Primary {
				current[i] = n
			}
		}
	}
	var out []Move
	for i, n := range choosePrimaries(sets, p.weights, current) {
		if n != current[i] {
			out = append(out, Move{
				Partition: ID(i), Primary: p.nodes[n].ID,
				Reason: fmt.Sprintf("%s has more than its share of primaries", p.nodes[current[i]].ID),
			})
		}
	}
	return out
}
