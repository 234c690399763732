package partition

import (
	"fmt"
	"slices"
)

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
	chosen := choosePrimaries(sets, p.weights, current)
	var out []Move
	for _, i := range p.handOvers(current, chosen) {
		out = append(out, Move{
			Partition: ID(i), Primary: p.nodes[chosen[i]].ID,
			Reason: fmt.Sprintf("%s has more than its share of primaries", p.nodes[current[i]].ID),
		})
	}
	return out
}

// handOvers orders the partitions whose primary changes so that any number of
// the first makes things more even: as long as there are such, each goes from a
// node that has more at that time to one that has fewer. Made in another order,
// a part of them could be undone by the next plan, for ever.
func (p *plan) handOvers(current, chosen []int) []int {
	primaries := make([]int, len(p.nodes))
	var changes, first, later []int
	for i, n := range current {
		if n >= 0 {
			primaries[n]++
		}
		if n != chosen[i] {
			changes = append(changes, i)
		}
	}
	gap := func(i int) int {
		from, to := current[i], chosen[i]
		return primaries[from]*p.weights[to] - primaries[to]*p.weights[from]
	}
	order := make(map[int]int, len(changes))
	for _, i := range changes {
		order[i] = gap(i)
	}
	slices.SortStableFunc(changes, func(a, b int) int { return order[b] - order[a] })
	for _, i := range changes {
		if gap(i) <= 0 {
			later = append(later, i)
			continue
		}
		primaries[current[i]]--
		primaries[chosen[i]]++
		first = append(first, i)
	}
	return append(first, later...)
}
