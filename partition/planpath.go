package partition

import "slices"

// hop takes a partition's replica from one node to another, as part of a chain.
type hop struct {
	id       ID
	from, to int // from is -1 where a replica is only added
}

// label is the cheapest way found so far to have one replica more on a node.
type label struct {
	cost    int
	by      hop
	reached bool
}

// search looks for the cheapest chain of hops that ends at a node below its
// quota. A hop to a node that has not had the partition costs one move; one
// away from where this plan has put it saves one. So what was planned before is
// changed where that is cheaper, as in the successive shortest paths of a
// minimum-cost flow (Ahuja, Magnanti and Orlin, Network Flows, 1993, ch. 9).
type search struct {
	p      *plan
	labels []label
	queue  []int
}

// startAt begins with a partition that lacks a replica.
func (p *plan) startAt(id ID) *search {
	s := &search{p: p, labels: make([]label, len(p.nodes))}
	for n := range p.nodes {
		if p.fits(id, n, -1) {
			s.reach(n, p.added(id, n), hop{id: id, from: -1, to: n})
		}
	}
	return s
}

// startAtHeavy begins with the nodes above their quota.
func (p *plan) startAtHeavy() *search {
	s := &search{p: p, labels: make([]label, len(p.nodes))}
	for n := range p.nodes {
		if p.have[n] > p.quota[n] {
			s.reach(n, 0, hop{from: -1, to: -1})
		}
	}
	return s
}

// added is what it costs to put a partition on a node.
func (p *plan) added(id ID, node int) int {
	if slices.Contains(p.origin[id], node) {
		return 0
	}
	return 1
}

func (s *search) reach(node, cost int, by hop) {
	if l := &s.labels[node]; !l.reached || cost < l.cost {
		*l = label{cost: cost, by: by, reached: true}
		if !slices.Contains(s.queue, node) {
			s.queue = append(s.queue, node)
		}
	}
}

// shift finds the cheapest chain, and carries it out.
func (p *plan) shift(s *search) bool {
	// Each way is a simple path: a bound keeps a cycle that an earlier choice has
	// made cheaper than nothing from going round for ever.
	for steps := 0; len(s.queue) > 0 && steps < 8*len(p.nodes)*len(p.nodes); steps++ {
		node := s.queue[0]
		s.queue = s.queue[1:]
		s.expand(node)
	}
	best := -1
	for n := range p.nodes {
		l := &s.labels[n]
		if l.reached && p.takes[n] && p.have[n] < p.quota[n] && (best < 0 || l.cost < s.labels[best].cost) {
			best = n
		}
	}
	if best < 0 {
		return false
	}
	return s.follow(best)
}

// expand looks where each replica of a node could go instead.
func (s *search) expand(node int) {
	p := s.p
	cost := s.labels[node].cost
	for _, id := range p.on[node] {
		if p.fixed[id] {
			continue
		}
		saved := p.added(id, node)
		for to := range p.nodes {
			if c := cost + p.added(id, to) - saved; (!s.labels[to].reached || c < s.labels[to].cost) && p.fits(id, to, node) {
				s.reach(to, c, hop{id: id, from: node, to: to})
			}
		}
	}
}

// follow carries out the chain that ends at a node, from its end. It stops
// where what was carried out of the chain has made a hop impossible, or has taken
// the replica away that it moves, or where the chain comes back to itself.
func (s *search) follow(end int) bool {
	p, moved := s.p, false
	seen := map[int]bool{}
	for node := end; !seen[node]; {
		seen[node] = true
		h := s.labels[node].by
		if h.to < 0 {
			return moved
		}
		if !p.fits(h.id, h.to, h.from) || h.from >= 0 && !slices.Contains(p.set[h.id], h.from) {
			return moved
		}
		if h.from >= 0 {
			p.drop(h.id, h.from)
		}
		p.add(h.id, h.to)
		moved = true
		if h.from < 0 {
			return true
		}
		node = h.from
	}
	return moved
}
