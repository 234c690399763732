package partition

// exactMoves is the least number of moves that leads from a map to an even
// placement: a minimum-cost flow of replicas from partitions through zones to
// nodes, where a node that has the partition costs nothing and any other one
// move.
func exactMoves(m *Map) int {
	p := newPlan(m, PlanOptions{})
	g := &flow{}
	source, sink := g.node(), g.node()
	nodes := make([]int, len(p.nodes))
	mandatory := 0
	for i := range p.nodes {
		nodes[i] = g.node()
		low, high := p.share(i)
		mandatory += low
		g.edge(nodes[i], sink, low, -must)
		g.edge(nodes[i], sink, high-low, 0)
	}
	for i := range p.origin {
		from := g.node()
		g.edge(source, from, p.factor, 0)
		zones := map[int]int{}
		for n := range p.nodes {
			z, seen := zones[p.zone[n]]
			if !seen {
				z = g.node()
				zones[p.zone[n]] = z
				g.edge(from, z, p.zoneLimit, 0)
			}
			g.edge(z, nodes[n], 1, p.added(ID(i), n))
		}
	}
	return g.run(source, sink) + must*mandatory
}

// share is how many replicas a node may have: where nodes have no zones or
// weights, either of two numbers.
func (p *plan) share(node int) (low, high int) {
	for i := range p.nodes {
		if p.weights[i] != p.weights[0] || p.zone[i] != p.zone[0] {
			return p.quota[node], p.quota[node]
		}
	}
	all := len(p.origin) * p.factor
	low = all / len(p.nodes)
	if all%len(p.nodes) > 0 {
		return low, low + 1
	}
	return low, low
}

const must = 10_000

// flow is a network: edges come in pairs, there and back.
type flow struct {
	out   [][]int // edges of each node
	edges []flowEdge
}

type flowEdge struct{ to, room, cost int }

func (g *flow) node() int {
	g.out = append(g.out, nil)
	return len(g.out) - 1
}

func (g *flow) edge(from, to, room, cost int) {
	g.out[from] = append(g.out[from], len(g.edges))
	g.out[to] = append(g.out[to], len(g.edges)+1)
	g.edges = append(g.edges, flowEdge{to, room, cost}, flowEdge{from, 0, -cost})
}

// run sends as much as it can, by successive shortest paths, and returns what
// that costs.
func (g *flow) run(source, sink int) (total int) {
	for {
		distance, by := make([]int, len(g.out)), make([]int, len(g.out))
		for i := range distance {
			distance[i], by[i] = 1<<30, -1
		}
		distance[source] = 0
		queue, queued := []int{source}, map[int]bool{}
		for len(queue) > 0 {
			n := queue[0]
			queue = queue[1:]
			queued[n] = false
			for _, e := range g.out[n] {
				to := g.edges[e].to
				if d := distance[n] + g.edges[e].cost; g.edges[e].room > 0 && d < distance[to] {
					distance[to], by[to] = d, e
					if !queued[to] {
						queued[to] = true
						queue = append(queue, to)
					}
				}
			}
		}
		if by[sink] < 0 {
			return total
		}
		for n := sink; n != source; n = g.edges[by[n]^1].to {
			g.edges[by[n]].room--
			g.edges[by[n]^1].room++
		}
		total += distance[sink]
	}
}
