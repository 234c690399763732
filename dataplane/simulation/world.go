package simulation

import (
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// world is one schedule: a cluster, its clients, what befalls it, and what is
// known to be true.
type world struct {
	*scheduler
	planned
	seed     uint64
	profile  profile
	settings partition.Settings
	timings  replica.Timings

	net          *network
	nodes        []*node
	wiped        []*disk               // as they were
	addresses    int                   // how many were given out beyond the first ones
	dropped      map[partition.ID]bool // a copy of the partition was dropped that differed
	coordinators []*coordinator
	raft         *raft
	placing      bool                     // a first placement is proposed
	commands     map[string]*adminCommand // of the operator, by operation ID

	keys  []key
	calls []*call
	truth []*truth
	// keyed are the first calls with their Idempotency-Keys; byRequest all calls.
	keyed     []*call
	byRequest map[entry.RequestID]*call

	connections   uint64 // that snapshots went over, so far
	interruptions int    // to come: of the next snapshots under way

	second     instant // of the latest message between replicas
	sentBefore uint64  // how many there were before it

	back goneBack
	plan func() // begins the faults
	// forwarding, where a scenario sets it, sees each operation on its way to
	// another node, and reports whether the scenario lets it arrive itself.
	forwarding func(q *request, arrive func()) bool

	removals  map[removal]int // from in-sync sets
	abandoned bool            // a node's place has a process that runs nowhere
	quiet     bool            // all faults are over
	quietAt   instant         // since then
	peace     time.Duration   // from then to the last check
	trace     trace
	coverage  Coverage
	failure   string
}

func newWorld(o Options, adjust func(w *world)) *world {
	w := &world{scheduler: newScheduler(o.Seed), planned: newPlanned(o.Seed, o.Keep), seed: o.Seed, byRequest: map[entry.RequestID]*call{}, commands: map[string]*adminCommand{}, removals: map[removal]int{}, dropped: map[partition.ID]bool{}}
	w.trace.text = o.Trace
	w.drawProfile()
	w.plan, w.peace = w.faults, settled
	if w.profile.weights[divergence] > 0 {
		w.peace += expelling
	}
	if adjust != nil {
		adjust(w)
	}
	w.profile.lanes = max(1, w.profile.lanes)
	w.net = newNetwork(w, w.profile.nodes+1+coordinators)
	w.raft = newRaft(w)
	for i := range w.profile.nodes {
		w.nodes = append(w.nodes, w.newNode(i))
	}
	w.nodes = append(w.nodes, w.newSpare())
	for i := range coordinators {
		w.coordinators = append(w.coordinators, w.newCoordinator(i))
	}
	for id := range w.settings.Partitions {
		w.truth = append(w.truth, newTruth(w, partition.ID(id)))
	}
	for i := range w.profile.keys {
		name := fmt.Appendf(nil, "key-%d", i)
		w.keys = append(w.keys, key{name: name, partition: partition.Of(name, w.settings.Partitions)})
	}
	w.logf("seed %d: %d nodes, %+v, %+v", o.Seed, w.profile.nodes, w.settings, w.profile)
	return w
}

// fail records the first promise broken; the schedule ends there.
func (w *world) fail(format string, args ...any) {
	if w.failure != "" {
		return
	}
	w.failure = fmt.Sprintf("%.6f s: ", time.Duration(w.now).Seconds()) + fmt.Sprintf(format, args...)
	w.logf("VIOLATION %s", w.failure)
}

// index returns a node's place in the network.
func (w *world) index(id partition.NodeID) int {
	n := 0
	for _, c := range id[1:] {
		n = n*10 + int(c-'0')
	}
	return n - 1
}

// name is index the other way round, coordinators too.
func (w *world) name(index int) string {
	switch {
	case index < w.profile.nodes:
		return string(w.nodes[index].id)
	case index < len(w.nodes):
		return "the twin's machine"
	}
	return fmt.Sprintf("coordinator %d", index-len(w.nodes))
}
