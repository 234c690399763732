package partition

import "container/heap"

// quotas deals total × factor replicas out one by one, each to the node that
// will have the fewest for its weight, as far as the bounds allow: a node takes
// no partition twice, and a zone no more than its limit of each. Among equals
// the node comes first that has more replicas than it was dealt, so that it
// keeps them. Fewer are dealt where the bounds are narrower than that.
func quotas(weights, zone []int, zoneLimit, total, factor int, have []int) []int {
	d := &dealer{weights: weights, have: have, quota: make([]int, len(weights))}
	zones := 0
	for _, z := range zone {
		zones = max(zones, z+1)
	}
	inZone := make([]int, zones)
	for i := range weights {
		d.queue = append(d.queue, i)
	}
	heap.Init(d)
	for dealt := 0; dealt < total*factor && len(d.queue) > 0; {
		best := d.queue[0]
		if d.quota[best] == total || inZone[zone[best]] == total*zoneLimit {
			heap.Pop(d)
			continue
		}
		d.quota[best]++
		inZone[zone[best]]++
		dealt++
		heap.Fix(d, 0)
	}
	return d.quota
}

// dealer is a heap of the nodes that still take replicas.
type dealer struct {
	weights, have, quota []int
	queue                []int
}

func (d *dealer) Len() int      { return len(d.queue) }
func (d *dealer) Swap(i, j int) { d.queue[i], d.queue[j] = d.queue[j], d.queue[i] }
func (d *dealer) Push(x any)    { d.queue = append(d.queue, x.(int)) }

func (d *dealer) Pop() any {
	last := d.queue[len(d.queue)-1]
	d.queue = d.queue[:len(d.queue)-1]
	return last
}

// Less compares (quota+1)/weight, without division.
func (d *dealer) Less(i, j int) bool {
	a, b := d.queue[i], d.queue[j]
	if x, y := (d.quota[a]+1)*d.weights[b], (d.quota[b]+1)*d.weights[a]; x != y {
		return x < y
	}
	if d.have != nil {
		if x, y := d.have[a] > d.quota[a], d.have[b] > d.quota[b]; x != y {
			return x
		}
	}
	return a < b
}
