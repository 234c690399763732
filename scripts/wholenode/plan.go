package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// shape is what a round's cluster is like.
type shape struct {
	nodes, partitions int
	clients, keys     int
	memoryTable       int64 // bytes
	retention         int64 // of the log, in bytes: below what a node misses, its copies are sent whole
	quick             bool  // short leases: more fail-overs in a round
}

// step is one fault of a schedule.
type step struct {
	pause   time.Duration // before it
	kind    string
	first   int // which node, or coordinator
	second  int // another one
	lasting time.Duration
	seed    uint64 // of what the fault itself draws: the sectors that a disk loses
}

// plan is everything that is decided before a round begins. It is a function of
// the seed alone.
type plan struct {
	seed      uint64
	shape     shape
	processes []step // faults of nodes and coordinators, one after another
	links     []step // at the same time, faults of links, one after another
}

// choice is a kind of fault and how often it is drawn.
type choice struct {
	kind   string
	weight int
}

var processFaults = []choice{
	{"crash node", 20}, {"crash two nodes", 6}, {"crash everything", 4}, {"cut off and crash", 10}, {"restart node", 10},
	{"crash coordinator", 8}, {"crash coordinators", 4}, {"disk fails", 8}, {"disk stalls", 8},
	{"wipe node", 8}, {"drain node", 10}, {"weigh node", 6},
}

var linkFaults = []choice{
	{"cut both ways", 4}, {"cut one way", 4}, {"isolate", 5}, {"mute", 3}, {"split", 3}, {"delay", 4},
	{"throttle", 2}, {"reset", 5}, {"lose a write", 3}, {"no coordinators", 3},
}

// A cut lasts for longer than leases, promises and the removal of a replica that
// does not answer take together: only then could it serve what is out of date.
const (
	longestOutage = 2 * time.Second
	longestCut    = 3500 * time.Millisecond
)

// newPlan draws a round's plan, with faults for as long as it lasts.
func newPlan(seed uint64, lasting time.Duration) plan {
	random := rand.New(rand.NewPCG(seed, 1))
	p := plan{seed: seed, shape: shape{
		nodes: 3 + random.IntN(3), partitions: 4 << random.IntN(2), clients: 8 + random.IntN(5), keys: 6 + random.IntN(5),
		memoryTable: 32 << 10 << random.IntN(6), retention: 64 << 10 << random.IntN(8), quick: random.IntN(2) == 0,
	}}
	p.processes = schedule(random, processFaults, p.shape.nodes, lasting, longestOutage)
	p.links = schedule(random, linkFaults, p.shape.nodes, lasting, longestCut)
	return p
}

// schedule draws faults of some kinds until they fill the time.
func schedule(random *rand.Rand, kinds []choice, nodes int, lasting, longest time.Duration) (out []step) {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	for used := time.Duration(0); used < lasting; {
		s := step{
			pause: between(random, 20*time.Millisecond, 800*time.Millisecond), lasting: between(random, 50*time.Millisecond, longest),
			first: random.IntN(nodes), seed: random.Uint64(),
		}
		s.second = (s.first + 1 + random.IntN(nodes-1)) % nodes
		drawn := random.IntN(total)
		for _, k := range kinds {
			if drawn -= k.weight; drawn < 0 {
				s.kind = k.kind
				break
			}
		}
		used += s.pause + s.lasting
		out = append(out, s)
	}
	return out
}

// between draws a duration, in whole milliseconds.
func between(random *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(random.Int64N(int64((to-from)/time.Millisecond)))*time.Millisecond
}

// print shows the plan to a person.
func (p *plan) print(w io.Writer) {
	fmt.Fprintf(w, "seed %d: %+v\n", p.seed, p.shape)
	for _, lane := range []struct {
		name  string
		steps []step
	}{{"processes", p.processes}, {"links", p.links}} {
		for _, s := range lane.steps {
			fmt.Fprintf(w, "%-9s  after %-7v %s (%d, %d) for %v\n", lane.name, s.pause, s.kind, s.first, s.second, s.lasting)
		}
	}
}
