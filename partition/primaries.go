package partition

// choosePrimaries picks one node of each set, so that no node has two primaries
// more than another of equal weight as far as the sets allow. It deals them out
// greedily, then has the nodes with the fewest take from those with the most:
// straight, or along a chain of partitions (node a hands one to b, b one to c)
// where nobody heavier shares a partition with it, until no chain helps: the
// augmenting paths of a maximum flow. Where current (nil: nowhere) names a node,
// that is where it begins; an empty set gets -1.
func choosePrimaries(sets [][]int, weights, current []int) []int {
	b := &balancer{sets: sets, weights: weights, primary: make([]int, len(sets)), owns: make([]int, len(weights)), in: make([][]int, len(weights))}
	for i, set := range sets {
		b.primary[i] = -1
		for _, n := range set {
			b.in[n] = append(b.in[n], i)
		}
		if len(set) > 0 && current != nil && current[i] >= 0 {
			b.give(i, current[i])
		}
	}
	for i, set := range sets {
		if len(set) == 0 || b.primary[i] >= 0 {
			continue
		}
		best := set[0]
		for _, n := range set[1:] {
			if b.lighter(n, best) {
				best = n
			}
		}
		b.give(i, best)
	}
	for b.improve() {
	}
	return b.primary
}

type balancer struct {
	sets    [][]int
	weights []int
	primary []int   // of each partition
	owns    []int   // how many each node is primary of
	in      [][]int // partitions that each node is in the set of
}

// give makes a node a partition's primary.
func (b *balancer) give(partition, node int) {
	if from := b.primary[partition]; from >= 0 {
		b.owns[from]--
	}
	b.primary[partition] = node
	b.owns[node]++
}

// lighter reports whether one more primary on a leaves it with fewer for its
// weight than one more on b.
func (b *balancer) lighter(x, y int) bool {
	return (b.owns[x]+1)*b.weights[y] < (b.owns[y]+1)*b.weights[x]
}

// gains reports whether a node is lighter with one more primary than another is.
func (b *balancer) gains(from, to int) bool {
	return (b.owns[to]+1)*b.weights[from] < b.owns[from]*b.weights[to]
}

// heavier reports whether a has more primaries for its weight than b.
func (b *balancer) heavier(x, y int) bool { return b.owns[x]*b.weights[y] > b.owns[y]*b.weights[x] }

// improve has one node take one primary, if that makes the load more even: the
// lightest that can.
func (b *balancer) improve() bool {
	heaviest := 0
	tried := make([]bool, len(b.owns))
	for n := range b.owns {
		if b.heavier(n, heaviest) {
			heaviest = n
		}
	}
	for range b.owns {
		to := -1
		for n := range b.owns {
			if !tried[n] && (to < 0 || b.lighter(n, to)) {
				to = n
			}
		}
		if !b.gains(heaviest, to) {
			return false // and nobody after it does
		}
		if b.take(to) {
			return true
		}
		tried[to] = true
	}
	return false
}

// step is how the search reached a node: from which (plus one), for which
// partition.
type step struct{ by, partition int }

// take searches breadth first, from the node that takes back to one that has
// enough to give: of those at the least distance the heaviest.
func (b *balancer) take(to int) bool {
	reached := make([]step, len(b.owns))
	level := []int{to}
	reached[to].by = to + 1
	for len(level) > 0 {
		var next []int
		best := -1
		for _, n := range level {
			for _, p := range b.in[n] {
				giver := b.primary[p]
				if giver < 0 || reached[giver].by != 0 {
					continue
				}
				reached[giver] = step{partition: p, by: n + 1}
				next = append(next, giver)
				if b.gains(giver, to) && (best < 0 || b.heavier(giver, best)) {
					best = giver
				}
			}
		}
		if best >= 0 {
			for from := best; from != to; from = reached[from].by - 1 {
				b.give(reached[from].partition, reached[from].by-1)
			}
			return true
		}
		level = next
	}
	return false
}
