package rebalance

import (
	"time"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// Config holds a rebalancer's timings. Zeros are replaced by the defaults.
type Config struct {
	// ReplaceAfter is how long a node is away before others get its replicas:
	// default 5 min.
	ReplaceAfter time.Duration
	// Shrink is how long a partition's primary has to take out who moves away,
	// before that is done without it: default 3 s. (A program of the library that
	// is no data plane of ours need not.)
	Shrink time.Duration
	// Plan is the least time between two plans; a ten-thousandth of it more for
	// each partition, for a plan takes longer then. Default 100 ms.
	Plan time.Duration
	// Settle is for how long a partition has been as it is before a move of it
	// begins: default 250 ms, in which its primary hears of the change before.
	Settle time.Duration
}

func (c Config) withDefaults() Config {
	if c.ReplaceAfter <= 0 {
		c.ReplaceAfter = 5 * time.Minute
	}
	if c.Shrink <= 0 {
		c.Shrink = 3 * time.Second
	}
	if c.Plan <= 0 {
		c.Plan = 100 * time.Millisecond
	}
	if c.Settle <= 0 {
		c.Settle = 250 * time.Millisecond
	}
	return c
}

// Health is how the nodes of the map are.
type Health = map[partition.NodeID]liveness.Health

// Rebalancer is for one goroutine at a time. All coordinators run one, so that
// each knows who has been away for how long; only what the leader's says is
// done.
type Rebalancer struct {
	config Config
	away   map[boot]time.Duration   // since when
	spare  map[moveID]time.Duration // since when who leaves could be spared
	next   time.Duration            // no plan before
	pace   *pace
	idle   *partition.Map // there was nothing to begin in it, with all live

	settled settled
}

// boot is one start of a node.
type boot struct {
	node        partition.NodeID
	store       partition.StoreID
	incarnation uint64
}

// moveID names a move.
type moveID struct {
	partition partition.ID
	since     uint64
}

// New returns a rebalancer that has seen nothing.
func New(c Config) *Rebalancer {
	return &Rebalancer{config: c.withDefaults(), away: map[boot]time.Duration{}, spare: map[moveID]time.Duration{}, pace: newPace()}
}

// Tick returns what the leader should propose. Until a command has changed the
// map, the next Tick may return it again; that does no harm.
func (r *Rebalancer) Tick(now time.Duration, m *partition.Map, health Health) []state.Command {
	commands := r.Watch(now, m, health)
	if len(commands) > 0 || now < r.next || !m.Placed() {
		return commands // the map is about to change, and a plan with it
	}
	if moves := r.begin(now, m, health); len(moves) > 0 {
		commands = append(commands, state.Begin{Version: m.Version, Moves: moves})
	}
	return commands
}

// Watch is Tick without a plan, which takes time: for those that do not lead.
func (r *Rebalancer) Watch(now time.Duration, m *partition.Map, health Health) []state.Command {
	commands := r.replace(now, m, health)
	if !m.Placed() {
		return commands
	}
	r.settled.look(now, m)
	if ends := r.ends(now, m, health); len(ends) > 0 {
		commands = append(commands, state.End{Moves: ends})
	}
	return append(commands, r.removals(m)...)
}

// replace finds the nodes that have been away for too long, and those that are back:
// a node that was only cut off does not register again. A node is kept where too few
// others would be left to hold as many replicas as there should be.
func (r *Rebalancer) replace(now time.Duration, m *partition.Map, health Health) (commands []state.Command) {
	known := make(map[boot]bool, len(m.Nodes))
	full := 0
	for i := range m.Nodes {
		if m.Nodes[i].Duty == partition.Full {
			full++
		}
	}
	for i := range m.Nodes {
		n := &m.Nodes[i]
		b := boot{n.ID, n.Store, n.Incarnation}
		if n.Duty == partition.Replaced && health[n.ID].State == liveness.Live {
			commands = append(commands, state.Assign{
				Node: n.ID, Store: n.Store, Incarnation: n.Incarnation, Was: partition.Replaced, Duty: partition.Full,
			})
		}
		if health[n.ID].State != liveness.Suspected {
			continue
		}
		known[b] = true
		since, seen := r.away[b]
		if !seen {
			r.away[b] = now
			continue
		}
		if n.Duty == partition.Full && now-since >= r.config.ReplaceAfter && full > m.Settings.ReplicationFactor {
			full--
			commands = append(commands, state.Assign{Node: n.ID, Store: n.Store, Incarnation: n.Incarnation, Was: n.Duty, Duty: partition.Replaced})
		}
	}
	for b := range r.away {
		if !known[b] {
			delete(r.away, b)
		}
	}
	return commands
}

// removals takes the nodes out that are to be removed and hold nothing more.
func (r *Rebalancer) removals(m *partition.Map) (commands []state.Command) {
	for i := range m.Nodes {
		if n := &m.Nodes[i]; n.Duty == partition.Removing && !holds(m, n.ID) {
			commands = append(commands, state.Remove{Node: n.ID, Store: n.Store, Incarnation: n.Incarnation, Duty: n.Duty})
		}
	}
	return commands
}

func holds(m *partition.Map, node partition.NodeID) bool {
	for i := range m.Partitions {
		if m.Partitions[i].Lists(node) {
			return true
		}
	}
	return false
}

// begin chooses the next moves of a new plan, in its order, as far as the limits
// allow.
func (r *Rebalancer) begin(now time.Duration, m *partition.Map, health Health) (moves []partition.Move) {
	if m.Rebalance.Paused || len(m.Moves) >= m.Rebalance.AtOnce {
		return nil
	}
	live := true
	for i := range m.Nodes {
		switch h := health[m.Nodes[i].ID].State; {
		case h == liveness.Unclear:
			return nil // soon it is known; a plan without it would be another
		case h != liveness.Live:
			live = false
		}
	}
	if live && r.idle == m {
		return nil
	}
	r.next = now + r.config.Plan + r.config.Plan*time.Duration(len(m.Partitions))/10_000
	planned := partition.Plan(m, partition.PlanOptions{Live: func(id partition.NodeID) bool { return health[id].State == liveness.Live }})
	if live && len(planned) == 0 {
		r.idle = m
	}
	r.pace.pass(now, m.Rebalance)
	room := newRoom(m, r.pace)
	for _, v := range planned {
		if r.settled.since(v.Partition, now-r.config.Settle) && room.take(&v) {
			moves = append(moves, v)
		} else if v.Primary != "" {
			break // their order counts
		}
	}
	return moves
}
