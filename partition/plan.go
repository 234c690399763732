package partition

import (
	"fmt"
	"slices"
)

// PlanOptions say what a plan may count on.
type PlanOptions struct {
	// Live reports whether a node may be given replicas now; nil: all may.
	Live func(NodeID) bool
}

// Plan returns the fewest moves that lead from the map, with the moves under way
// done, to a placement in which
//
//   - no two replicas of a partition are on one node, nor in one zone where
//     there are enough zones;
//   - nodes with full duty hold replicas in proportion to their weights: of two
//     nodes of equal weight none has two more than the other, as far as the
//     zones allow;
//   - the same holds for primaries;
//   - the others hold nothing.
//
// They are in the order in which they should be made: what is missing first,
// then what must leave, then what is uneven. Primaries are planned once no
// replica is to move and all nodes with full duty are live. A partition that
// moves already, or that waits for an operator, is left alone.
//
// No replica is placed on a node that is not live; what such a node holds
// counts. So a plan may be empty although not all is even, until nodes are back
// or replaced.
func Plan(m *Map, o PlanOptions) []Move {
	if !m.Placed() {
		return nil
	}
	p := newPlan(m, o)
	p.makeRoom()
	p.deal() // among equals, to those that keep a replica
	p.fill()
	p.level()
	if moves := p.moves(); len(moves) > 0 {
		return moves
	}
	return p.primaries()
}

// plan is a placement being changed. Nodes and zones are numbered; only nodes
// with full duty have a number.
type plan struct {
	m         *Map
	nodes     []*Node
	number    map[NodeID]int
	weights   []int
	zone      []int
	zoneLimit int
	factor    int
	takes     []bool // may be given replicas
	allTake   bool

	origin [][]int // nodes that each partition is on, as it was
	set    [][]int // and as it is planned
	fixed  []bool  // the partition is left alone
	on     [][]ID  // partitions that each node has, as planned
	have   []int
	quota  []int
}

func newPlan(m *Map, o PlanOptions) *plan {
	p := &plan{m: m, number: map[NodeID]int{}, allTake: true}
	zones := map[string]int{}
	var sizes []int
	for i := range m.Nodes {
		n := &m.Nodes[i]
		if n.Duty != Full {
			continue
		}
		z, seen := zones[n.Zone]
		if !seen {
			z = len(zones)
			zones[n.Zone] = z
			sizes = append(sizes, 0)
		}
		sizes[z]++
		p.number[n.ID] = len(p.nodes)
		p.nodes = append(p.nodes, n)
		p.weights = append(p.weights, max(1, int(n.Weight)))
		p.zone = append(p.zone, z)
		live := o.Live == nil || o.Live(n.ID)
		p.takes = append(p.takes, live)
		p.allTake = p.allTake && live
	}
	p.factor = min(m.Settings.ReplicationFactor, len(p.nodes))
	p.zoneLimit = smallestZoneLimit(sizes, p.factor)
	p.place()
	p.deal()
	return p
}

// deal sets the quotas, for the replicas that nodes have as it is planned.
func (p *plan) deal() {
	p.quota = quotas(p.weights, p.zone, p.zoneLimit, len(p.m.Partitions), p.factor, p.have)
}

// place takes over where everything is, moves under way included.
func (p *plan) place() {
	total := len(p.m.Partitions)
	p.origin, p.set, p.fixed = make([][]int, total), make([][]int, total), make([]bool, total)
	p.on, p.have = make([][]ID, len(p.nodes)), make([]int, len(p.nodes))
	under := map[ID]Move{}
	for _, v := range p.m.Moves {
		under[v.Partition] = v
	}
	for i := range p.m.Partitions {
		c := &p.m.Partitions[i]
		move, moves := under[c.ID]
		p.fixed[i] = moves || len(c.Replicas) == 0 || c.Primary == ""
		for _, list := range [2][]Replica{c.Replicas, c.Learners} {
			for _, r := range list {
				if n, ok := p.number[r.Node]; ok && (!moves || r.Node != move.From) {
					p.origin[i] = append(p.origin[i], n)
				}
			}
		}
		if n, ok := p.number[move.To]; ok && moves && !slices.Contains(p.origin[i], n) {
			p.origin[i] = append(p.origin[i], n)
		}
		p.set[i] = slices.Clone(p.origin[i])
		for _, n := range p.set[i] {
			p.on[n] = append(p.on[n], c.ID)
			p.have[n]++
		}
	}
}

// heavier reports whether a has more replicas beyond its quota than b, for its
// weight.
func (p *plan) heavier(a, b int) bool {
	return (p.have[a]-p.quota[a])*p.weights[b] > (p.have[b]-p.quota[b])*p.weights[a]
}

// inZone counts the replicas of a partition in a zone.
func (p *plan) inZone(id ID, zone int) (count int) {
	for _, n := range p.set[id] {
		if p.zone[n] == zone {
			count++
		}
	}
	return count
}

// fits reports whether the partition may have a replica on the node, in place of
// the one on another (-1: of none).
func (p *plan) fits(id ID, node, instead int) bool {
	if !p.takes[node] || p.fixed[id] || slices.Contains(p.set[id], node) {
		return false
	}
	return instead >= 0 && p.zone[instead] == p.zone[node] || p.inZone(id, p.zone[node]) < p.zoneLimit
}

func (p *plan) add(id ID, node int) {
	p.set[id] = append(p.set[id], node)
	p.on[node] = append(p.on[node], id)
	p.have[node]++
}

func (p *plan) drop(id ID, node int) {
	p.set[id] = slices.DeleteFunc(p.set[id], func(n int) bool { return n == node })
	at := slices.Index(p.on[node], id)
	p.on[node][at] = p.on[node][len(p.on[node])-1]
	p.on[node] = p.on[node][:len(p.on[node])-1]
	p.have[node]--
}

// makeRoom takes replicas away where a zone has too many of a partition, or the
// partition too many in all: from the node that has the most to give away.
func (p *plan) makeRoom() {
	for i := range p.set {
		id := ID(i)
		if p.fixed[i] {
			continue
		}
		for {
			worst := -1
			for _, n := range p.set[i] {
				crowded := len(p.set[i]) > p.factor || p.inZone(id, p.zone[n]) > p.zoneLimit
				if crowded && (worst < 0 || p.prefersToDrop(id, n, worst)) {
					worst = n
				}
			}
			if worst < 0 {
				break
			}
			p.drop(id, worst)
		}
	}
}

// prefersToDrop reports whether a replica on a is rather taken away than one on
// b: from a crowded zone first, then one that is not in sync, then from the
// node with the most to give away.
func (p *plan) prefersToDrop(id ID, a, b int) bool {
	if x, y := p.inZone(id, p.zone[a]) > p.zoneLimit, p.inZone(id, p.zone[b]) > p.zoneLimit; x != y {
		return x
	}
	if x, y := p.inSync(id, a), p.inSync(id, b); x != y {
		return y
	}
	return p.heavier(a, b)
}

func (p *plan) inSync(id ID, node int) bool { return p.m.Partitions[id].InSync(p.nodes[node].ID) }

// fill gives each partition as many replicas as it should have.
func (p *plan) fill() {
	for i := range p.set {
		for !p.fixed[i] && len(p.set[i]) < p.factor {
			if !p.fillOne(ID(i)) {
				break
			}
		}
	}
}

func (p *plan) fillOne(id ID) bool {
	best := -1
	for n := range p.nodes {
		if p.have[n] < p.quota[n] && p.fits(id, n, -1) && (best < 0 || p.heavier(best, n)) {
			best = n
		}
	}
	if best >= 0 {
		p.add(id, best)
		return true
	}
	if p.shift(p.startAt(id)) {
		return true
	}
	// Nobody below its quota can be reached: better uneven than missing.
	for n := range p.nodes {
		if p.fits(id, n, -1) && (best < 0 || p.heavier(best, n)) {
			best = n
		}
	}
	if best < 0 {
		return false
	}
	p.add(id, best)
	return true
}

// level moves replicas from nodes above their quota to those below.
func (p *plan) level() {
	for to := range p.nodes {
		for p.takes[to] && p.have[to] < p.quota[to] && p.pull(to) {
		}
	}
	for p.shift(p.startAtHeavy()) {
	}
}

// pull moves one replica straight to a node, from the node that has the most to
// give away.
func (p *plan) pull(to int) bool {
	from, what := -1, ID(0)
	for n := range p.nodes {
		if p.have[n] <= p.quota[n] || from >= 0 && !p.heavier(n, from) {
			continue
		}
		if id, ok := p.given(n, to); ok {
			from, what = n, id
		}
	}
	if from < 0 {
		return false
	}
	p.drop(what, from)
	p.add(what, to)
	return true
}

// given returns a partition that one node can give to another: one that it is
// not primary of, if there is one.
func (p *plan) given(from, to int) (id ID, ok bool) {
	for _, candidate := range p.on[from] {
		if !p.fits(candidate, to, from) {
			continue
		}
		if id, ok = candidate, true; p.m.Partitions[candidate].Primary != p.nodes[from].ID {
			return id, true
		}
	}
	return id, ok
}

// moves lists what is planned.
func (p *plan) moves() []Move {
	var urgent, due, level []Move
	for i := range p.set {
		c := &p.m.Partitions[i]
		if p.fixed[i] {
			continue
		}
		added := p.difference(p.set[i], p.origin[i])
		removed := p.removed(c, p.set[i])
		for n := range max(len(added), len(removed)) {
			v := Move{Partition: c.ID}
			if n < len(added) {
				v.To = added[n]
			}
			if n < len(removed) {
				v.From = removed[n]
			}
			if v.To == "" && len(c.Replicas)+len(c.Learners) <= p.m.Settings.ReplicationFactor {
				continue // there are too few nodes: it stays
			}
			switch class := p.explain(c, &v); class {
			case missing:
				urgent = append(urgent, v)
			case leaving:
				due = append(due, v)
			default:
				level = append(level, v)
			}
		}
	}
	return slices.Concat(urgent, due, level)
}

func (p *plan) difference(a, b []int) (out []NodeID) {
	for _, n := range a {
		if !slices.Contains(b, n) {
			out = append(out, p.nodes[n].ID)
		}
	}
	return out
}

// removed are the nodes that have the partition and are to have it no more:
// those without full duty first.
func (p *plan) removed(c *Configuration, set []int) (out []NodeID) {
	var of []NodeID
	for _, list := range [2][]Replica{c.Replicas, c.Learners} {
		for _, r := range list {
			n, full := p.number[r.Node]
			switch {
			case !full:
				out = append(out, r.Node)
			case !slices.Contains(set, n):
				of = append(of, r.Node)
			}
		}
	}
	return append(out, of...)
}

// class is how urgent a move is.
type class uint8

const (
	missing class = iota
	leaving
	uneven
)

// explain says why a move is made.
func (p *plan) explain(c *Configuration, v *Move) class {
	if v.From == "" {
		v.Reason = fmt.Sprintf("it has %d of %d replicas", len(c.Replicas)+len(c.Learners), p.m.Settings.ReplicationFactor)
		return missing
	}
	if n, known := p.m.Node(v.From); known && n.Duty != Full {
		v.Reason = fmt.Sprintf("%s is %v", v.From, n.Duty)
		if n.Duty == Replaced {
			v.Reason = v.From.awayFor()
			return missing
		}
		return leaving
	}
	from := p.number[v.From]
	if v.To == "" {
		v.Reason = fmt.Sprintf("it has more than %d replicas", p.factor)
		return leaving
	}
	to := p.number[v.To]
	if p.zone[from] != p.zone[to] && p.crowded(c, p.zone[from]) {
		v.Reason = fmt.Sprintf("zone %q has too many replicas of it", p.nodes[from].Zone)
		return leaving
	}
	v.Reason = fmt.Sprintf("%s has less than its share", v.To)
	return uneven
}

func (n NodeID) awayFor() string { return fmt.Sprintf("%s has been away for too long", n) }

// crowded reports whether the map has more replicas of a partition in a zone
// than it should.
func (p *plan) crowded(c *Configuration, zone int) bool {
	count := 0
	for _, n := range p.origin[c.ID] {
		if p.zone[n] == zone {
			count++
		}
	}
	return count > p.zoneLimit
}
