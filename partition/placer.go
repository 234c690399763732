package partition

import (
	"cmp"
	"slices"
)

// placer fills partitions with nodes, one partition after the other. Nodes and
// zones are numbered.
//
// Each node has a quota of replicas, fixed beforehand. With k partitions left, a
// placement of the rest exists exactly as long as no node's quota is above k and
// no zone's above k times zoneLimit: the bounds form a laminar family, so where
// a fractional placement exists (every partition taking 1/k of each quota) one
// in whole replicas does. So a partition must take the nodes and zones that are
// at their bound, and is free in the rest of its choice; it chooses the nodes
// that have been together least, so that a failed node's load spreads over all.
type placer struct {
	nodes     []Node
	weights   []int
	zone      []int // of each node
	zoneLimit int   // most replicas of one partition in one zone
	factor    int   // replicas of each partition
	total     int   // partitions

	quota     []int   // replicas that each node still takes
	zoneQuota []int   // sum of quota for each zone
	together  [][]int // how often two nodes share a partition

	chosen   []int // the partition being filled
	isChosen []bool
	inZone   []int
}

func newPlacer(nodes []Node, s Settings) *placer {
	p := &placer{nodes: slices.Clone(nodes), factor: s.ReplicationFactor, total: s.Partitions}
	slices.SortFunc(p.nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	n := len(p.nodes)
	p.weights, p.zone, p.quota, p.isChosen = make([]int, n), make([]int, n), make([]int, n), make([]bool, n)
	p.together = make([][]int, n)
	numbers := map[string]int{}
	var sizes []int
	for i, node := range p.nodes {
		p.weights[i] = max(1, int(node.Weight))
		p.together[i] = make([]int, n)
		z, seen := numbers[node.Zone]
		if !seen {
			z = len(numbers)
			numbers[node.Zone] = z
			sizes = append(sizes, 0)
		}
		p.zone[i] = z
		sizes[z]++
	}
	p.zoneQuota, p.inZone = make([]int, len(sizes)), make([]int, len(sizes))
	p.zoneLimit = smallestZoneLimit(sizes, p.factor)
	return p
}

// smallestZoneLimit is 1 where there are enough zones, else the least number of
// a partition's replicas that some zone must take.
func smallestZoneLimit(sizes []int, factor int) int {
	for limit := 1; ; limit++ {
		room := 0
		for _, size := range sizes {
			room += min(limit, size)
		}
		if room >= factor {
			return limit
		}
	}
}

// setQuotas deals out all replicas.
func (p *placer) setQuotas() {
	p.quota = quotas(p.weights, p.zone, p.zoneLimit, p.total, p.factor, nil)
	for i, q := range p.quota {
		p.zoneQuota[p.zone[i]] += q
	}
}

// pick chooses the nodes of the next partition, with left partitions to fill,
// that one included.
func (p *placer) pick(left int) []int {
	p.chosen = nil
	clear(p.isChosen)
	clear(p.inZone)
	for i, q := range p.quota {
		if q == left {
			p.take(i)
		}
	}
	for z, q := range p.zoneQuota {
		for p.inZone[z] < q-p.zoneLimit*(left-1) {
			p.take(p.best(func(i int) bool { return p.zone[i] == z }))
		}
	}
	for len(p.chosen) < p.factor {
		p.take(p.best(func(i int) bool { return p.inZone[p.zone[i]] < p.zoneLimit }))
	}
	for _, i := range p.chosen {
		p.quota[i]--
		p.zoneQuota[p.zone[i]]--
		for _, j := range p.chosen {
			p.together[i][j]++
		}
	}
	return p.chosen
}

func (p *placer) take(i int) {
	p.chosen = append(p.chosen, i)
	p.isChosen[i] = true
	p.inZone[p.zone[i]]++
}

// best returns the node that has been least together with those chosen; among
// equals the one with the most replicas still to take.
func (p *placer) best(allowed func(i int) bool) int {
	best, bestScore := -1, 0
	for i, q := range p.quota {
		if q == 0 || p.isChosen[i] || !allowed(i) {
			continue
		}
		score := 0
		for _, j := range p.chosen {
			score += p.together[i][j]
		}
		if best < 0 || score < bestScore || score == bestScore && q > p.quota[best] {
			best, bestScore = i, score
		}
	}
	return best
}
