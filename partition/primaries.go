package partition

// choosePrimaries picks one node of each set, so that no node has two primaries
// more than another of equal weight as far as the sets allow. It deals them out
// greedily, then moves primaries along chains of partitions (node a hands one to
// b, b one to c) from the nodes with the most to those with the fewest, until no
// chain helps: the augmenting paths of a maximum flow. Where current (nil:
// nowhere) names a node, that is where it begins; an empty set gets -1.
func choosePrimaries(sets [][]int, weights, current []int) []int {
	b := &balancer{sets: sets, weights: weights, primary: make([]int, len(sets)), owns: make([][]int, len(weights))}
	for i, set := range sets {
		if len(set) == 0 {
			b.primary[i] = -1
			continue
		}
		if current != nil && current[i] >= 0 {
			b.primary[i] = current[i]
			b.owns[current[i]] = append(b.owns[current[i]], i)
			continue
		}
		best := set[0]
		for _, n := range set[1:] {
			if b.lighter(n, best) {
				best = n
			}
		}
		b.primary[i] = best
		b.owns[best] = append(b.owns[best], i)
	}
	for b.improve() {
	}
	return b.primary
}

type balancer struct {
	sets    [][]int
	weights []int
	primary []int   // of each partition
	owns    [][]int // partitions that each node is primary of
}

// lighter reports whether one more primary on a leaves it with fewer for its
// weight than one more on b.
func (b *balancer) lighter(x, y int) bool {
	return (len(b.owns[x])+1)*b.weights[y] < (len(b.owns[y])+1)*b.weights[x]
}

// improve moves one primary along a chain, if that makes the load more even. A
// node that has no more than the lightest would with one more has none to give.
func (b *balancer) improve() bool {
	lightest := 0
	for n := range b.owns {
		if b.lighter(n, lightest) {
			lightest = n
		}
	}
	for from := range b.owns {
		if b.gains(from, lightest) && b.improveFrom(from) {
			return true
		}
	}
	return false
}

// gains reports whether a node is lighter with one more primary than another is.
func (b *balancer) gains(from, to int) bool {
	return (len(b.owns[to])+1)*b.weights[from] < len(b.owns[from])*b.weights[to]
}

// improveFrom searches breadth first for a node that would still be lighter
// with one more primary than from is now.
func (b *balancer) improveFrom(from int) bool {
	via := make([]int, len(b.owns)) // the partition that reached a node, plus one
	queue := []int{from}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		for _, p := range b.owns[n] {
			for _, next := range b.sets[p] {
				if next == from || via[next] != 0 {
					continue
				}
				via[next] = p + 1
				if b.gains(from, next) {
					b.shift(from, next, via)
					return true
				}
				queue = append(queue, next)
			}
		}
	}
	return false
}

// shift hands the partitions along the chain that ends at to.
func (b *balancer) shift(from, to int, via []int) {
	for to != from {
		p := via[to] - 1
		giver := b.primary[p]
		b.primary[p] = to
		b.owns[to] = append(b.owns[to], p)
		for i, owned := range b.owns[giver] {
			if owned == p {
				b.owns[giver] = append(b.owns[giver][:i], b.owns[giver][i+1:]...)
				break
			}
		}
		to = giver
	}
}
