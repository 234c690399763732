package rebalance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-io/holdfast/coordinator/liveness"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// world is the coordinators' state machine with nodes that do what the data
// plane does: learners catch up, primaries hand over.
type world struct {
	t      rapid.TB
	m      *state.Machine
	index  uint64
	now    time.Duration
	r      *Rebalancer
	health Health
	lazy   bool // primaries do not take out who leaves

	epochs map[partition.ID]partition.Epoch // at the last tick
	fresh  map[partition.ID]time.Duration   // when a tick first saw the epoch; none: the first
}

func newWorld(t rapid.TB, nodes int, s partition.Settings) *world {
	w := &world{t: t, m: state.New(), r: New(Config{ReplaceAfter: time.Minute, Shrink: time.Second}), health: Health{},
		epochs: map[partition.ID]partition.Epoch{}, fresh: map[partition.ID]time.Duration{}}
	w.apply(state.Create{ClusterID: "c", Application: "a", Settings: s})
	for i := range nodes {
		w.join(i + 1)
	}
	list, err := partition.Place(w.m.Map().Nodes, s, func() uint32 { return 7 })
	if err != nil {
		t.Fatal(err)
	}
	w.apply(state.Place{Configurations: list})
	return w
}

func name(i int) partition.NodeID { return partition.NodeID(fmt.Sprintf("n%02d", i)) }

func (w *world) apply(c state.Command) state.Result {
	w.index++
	r := w.m.Apply(w.index, c)
	if err := w.m.Map().Validate(); err != nil {
		w.t.Fatalf("after %+v: %v", c, err)
	}
	return r
}

func (w *world) join(i int) {
	r := w.apply(state.Register{Node: partition.Node{
		ID: name(i), Store: partition.StoreID(100 + i), Incarnation: 1, PeerAddr: string(name(i)), Zone: fmt.Sprint("z", i%3),
	}})
	if r.Err != nil {
		w.t.Fatal(r.Err)
	}
	w.health[name(i)] = liveness.Health{State: liveness.Live}
}

// die has the coordinators suspect a node, and take it out of its partitions.
func (w *world) die(id partition.NodeID) {
	w.health[id] = liveness.Health{State: liveness.Suspected, Reason: "no heartbeat"}
	w.expel()
}

// expel removes suspected replicas wherever a live one is left in sync.
func (w *world) expel() {
	m := w.m.Map()
	for i := range m.Partitions {
		c := &m.Partitions[i]
		var left []partition.Replica
		for _, r := range c.Replicas {
			if w.health[r.Node].State == liveness.Live {
				left = append(left, r)
			}
		}
		if len(left) == 0 || len(left) == len(c.Replicas) {
			continue
		}
		primary := c.Primary
		if w.health[primary].State != liveness.Live {
			primary = left[0].Node
		}
		w.apply(state.Changes{Changes: []partition.Change{{Partition: c.ID, Epoch: c.Epoch, Primary: primary, Replicas: left, Reason: "dead"}}})
	}
}

// work lets each partition's primary do one thing that it should, sometimes.
func (w *world) work(does func() bool) {
	m := w.m.Map()
	for i := range m.Partitions {
		c := &m.Partitions[i]
		if w.health[c.Primary].State != liveness.Live || !does() {
			continue
		}
		change := partition.Change{Partition: c.ID, Epoch: c.Epoch, Primary: c.Primary, Replicas: c.Replicas, Proposer: c.Primary, Reason: "works"}
		for _, l := range c.Learners {
			if w.health[l.Node].State == liveness.Live {
				n, _ := m.Node(l.Node)
				change.Replicas = append(slices.Clone(c.Replicas), l)
				change.Added = []partition.Added{{Node: l.Node, Start: n.Start()}}
				slices.SortFunc(change.Replicas, func(a, b partition.Replica) int { return cmpNodes(a.Node, b.Node) })
				break
			}
		}
		if v, moving := m.Move(c.ID); moving && len(change.Replicas) == len(c.Replicas) {
			heir, leaver := partition.Heir(v, c), partition.Leaver(v, c, m.Settings.MinInSync)
			switch {
			case heir != "":
				change.Primary = heir
			case leaver != "" && !w.lazy: // else the coordinators take it out
				change.Replicas = slices.DeleteFunc(slices.Clone(c.Replicas), func(r partition.Replica) bool { return r.Node == leaver })
			}
		}
		if change.Primary != c.Primary || len(change.Replicas) != len(c.Replicas) {
			w.apply(state.Changes{Changes: []partition.Change{change}})
		}
	}
}

func cmpNodes(a, b partition.NodeID) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// tick carries out what the rebalancer wants, and checks what it must not do.
func (w *world) tick() (commands int) {
	w.now += 100 * time.Millisecond
	for _, c := range w.m.Map().Partitions {
		if was, seen := w.epochs[c.ID]; seen && was != c.Epoch {
			w.fresh[c.ID] = w.now
		}
		w.epochs[c.ID] = c.Epoch
	}
	for _, c := range w.r.Tick(w.now, w.m.Map(), w.health) {
		commands++
		before := w.m.Map()
		if b, begins := c.(state.Begin); begins {
			w.areSettled(b.Moves)
		}
		r := w.apply(c)
		if r.Err != nil {
			w.t.Fatalf("%+v: %v", c, r.Err)
		}
		for _, v := range r.Verdicts {
			if v.Err != nil {
				w.t.Fatalf("%+v: %v", c, v.Err)
			}
		}
		w.obeys(before, w.m.Map())
	}
	return commands
}

// areSettled checks that no move follows another change of its partition at once.
func (w *world) areSettled(moves []partition.Move) {
	for _, v := range moves {
		if at, changed := w.fresh[v.Partition]; changed && w.now-at < w.r.config.Settle {
			w.t.Fatalf("%v begins %v after the partition's last change", v, w.now-at)
		}
	}
}

func (w *world) obeys(before, after *partition.Map) {
	if len(after.Moves) > max(len(before.Moves), after.Rebalance.AtOnce) {
		w.t.Fatalf("%d moves at once", len(after.Moves))
	}
	for i := range after.Partitions {
		was, is := &before.Partitions[i], &after.Partitions[i]
		if len(is.Replicas) < len(was.Replicas) && len(is.Replicas) < min(after.Settings.ReplicationFactor, len(was.Replicas)-1) {
			w.t.Fatalf("%+v became %+v", was, is)
		}
		if is.Primary != was.Primary {
			w.t.Fatalf("the primary of %+v changed: %+v", was, is)
		}
	}
}

// settle goes on until nothing is left to do.
func (w *world) settle() {
	for quiet, steps := 0, 0; quiet < 20; steps++ {
		if w.tick() > 0 {
			quiet = 0
		} else {
			quiet++
		}
		w.work(func() bool { return true })
		if steps > 5000 {
			w.t.Logf("%v", partition.Plan(w.m.Map(), partition.PlanOptions{}))
			w.t.Fatalf("it does not come to rest: %+v", w.m.Map().Moves)
		}
	}
	m := w.m.Map()
	if len(m.Moves) > 0 {
		w.t.Fatalf("moves are left: %+v in %+v", m.Moves, m.Partitions[m.Moves[0].Partition])
	}
	if left := partition.Plan(m, partition.PlanOptions{}); len(left) > 0 {
		w.t.Fatalf("there is something left to do: %v", left)
	}
}

func TestItComesToRestWhateverHappens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.IntRange(1, 3).Draw(t, "factor")
		nodes := rapid.IntRange(factor, 7).Draw(t, "nodes")
		w := newWorld(t, nodes, partition.Settings{
			Partitions: rapid.IntRange(1, 24).Draw(t, "partitions"), ReplicationFactor: factor, MinInSync: factor/2 + 1, ExpectNodes: factor,
		})
		w.lazy = rapid.Bool().Draw(t, "lazy")
		for range rapid.IntRange(1, 25).Draw(t, "events") {
			w.event(rapid.IntRange(0, 9).Draw(t, "event"), &nodes)
			for range rapid.IntRange(0, 12).Draw(t, "ticks") {
				w.tick()
				w.work(func() bool { return rapid.IntRange(0, 2).Draw(t, "works") > 0 })
				w.expel()
			}
		}
		for _, n := range w.m.Map().Nodes {
			w.comeBack(n.ID)
		}
		w.apply(state.SetRebalance{Change: partition.DefaultRebalance.Change()})
		w.settle()
	})
}

// event is one thing that happens to a cluster.
func (w *world) event(kind int, nodes *int) {
	t := w.t.(*rapid.T)
	m := w.m.Map()
	n := m.Nodes[rapid.IntRange(0, len(m.Nodes)-1).Draw(t, "node")]
	live, full := 0, 0
	for _, o := range m.Nodes {
		if w.health[o.ID].State == liveness.Live && o.ID != n.ID {
			live++
		}
		if o.Duty == partition.Full && o.ID != n.ID {
			full++
		}
	}
	switch kind {
	case 0, 1:
		if *nodes < 10 {
			*nodes++
			w.join(*nodes)
		}
	case 2, 3:
		if full >= m.Settings.ReplicationFactor {
			w.apply(state.Assign{Node: n.ID, Duty: partition.Draining})
		}
	case 4:
		w.apply(state.Assign{Node: n.ID, Duty: partition.Full})
		w.apply(state.Weigh{Node: n.ID, Weight: uint32(rapid.IntRange(1, 3).Draw(t, "weight"))})
	case 5:
		if full >= m.Settings.ReplicationFactor {
			w.apply(state.Assign{Node: n.ID, Duty: partition.Removing})
		}
	case 6:
		if live >= m.Settings.ReplicationFactor {
			w.die(n.ID)
			w.now += time.Duration(rapid.IntRange(0, 50).Draw(t, "away")) * time.Second
		}
	case 7, 8:
		w.comeBack(n.ID)
	case 9:
		w.apply(state.SetRebalance{Change: partition.Rebalance{Paused: rapid.Bool().Draw(t, "paused"), AtOnce: 3, AtOnceEach: 1}.Change()})
	}
}

// comeBack starts a dead node again, with all that it had.
func (w *world) comeBack(id partition.NodeID) {
	if w.health[id].State == liveness.Live {
		return
	}
	m := w.m.Map()
	n, known := m.Node(id)
	if !known {
		return
	}
	boot := state.Register{Node: *n, Accepted: n.Start()}
	boot.Node.Incarnation++
	for i := range m.Partitions {
		if c := &m.Partitions[i]; c.Lists(id) {
			boot.Copies = append(boot.Copies, state.Copy{Partition: c.ID, Epoch: c.Epoch, Lineage: c.Lineage})
		}
	}
	if r := w.apply(boot); r.Err != nil {
		w.t.Fatal(r.Err)
	}
	w.health[id] = liveness.Health{State: liveness.Live}
}

func settings(partitions int) partition.Settings {
	return partition.Settings{Partitions: partitions, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3}
}

func (w *world) count(id partition.NodeID) (replicas int) {
	m := w.m.Map()
	for i := range m.Partitions {
		if m.Partitions[i].Lists(id) {
			replicas++
		}
	}
	return replicas
}

func TestANewNodeGetsItsShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, settings(64))
	w.join(4) // in the zone of n01
	w.settle()
	if got := w.count(name(4)); got != 32 {
		t.Errorf("it has %d replicas, want 32", got)
	}
}

func TestADeadNodeIsReplacedWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, settings(32))
	w.die(name(2))
	for range 590 {
		w.tick()
		w.work(func() bool { return true })
	}
	if n, _ := w.m.Map().Node(name(2)); n.Duty != partition.Full || w.count(name(2)) == 0 {
		t.Fatalf("after 59 s it is %v", n.Duty)
	}
	for range 200 {
		w.tick()
		w.work(func() bool { return true })
	}
	if n, _ := w.m.Map().Node(name(2)); n.Duty != partition.Replaced || w.count(name(2)) > 0 {
		t.Fatalf("after 79 s it is %v, and has %d replicas", n.Duty, w.count(name(2)))
	}
	w.comeBack(name(2))
	w.settle()
	if w.count(name(2)) == 0 {
		t.Error("it is back, and has nothing")
	}
}

// A node that was cut off for too long comes back without a start.
func TestANodeThatIsHeardAgainGetsItsShareAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 5, settings(32))
	w.die(name(2))
	for range 800 {
		w.tick()
		w.work(func() bool { return true })
	}
	if n, _ := w.m.Map().Node(name(2)); n.Duty != partition.Replaced || w.count(name(2)) > 0 {
		t.Fatalf("after 80 s it is %v, and has %d replicas", n.Duty, w.count(name(2)))
	}
	w.health[name(2)] = liveness.Health{State: liveness.Live}
	w.settle()
	if n, _ := w.m.Map().Node(name(2)); n.Duty != partition.Full || w.count(name(2)) == 0 {
		t.Errorf("it is %v, and has %d replicas", n.Duty, w.count(name(2)))
	}
}

func TestADeadNodeIsKeptWhereNobodyCouldReplaceIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, settings(8))
	w.die(name(2))
	for range 1000 {
		w.tick()
	}
	if n, _ := w.m.Map().Node(name(2)); n.Duty != partition.Full || w.count(name(2)) == 0 {
		t.Errorf("it is %v, and has %d replicas", n.Duty, w.count(name(2)))
	}
}

func TestANodeToRemoveIsGoneWhenItIsEmpty(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4, settings(16))
	w.apply(state.Assign{Node: name(1), Duty: partition.Removing})
	w.settle()
	if _, known := w.m.Map().Node(name(1)); known {
		t.Error("it is still there")
	}
}

func TestPausedNothingBegins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, settings(16))
	paused := partition.DefaultRebalance
	paused.Paused = true
	w.apply(state.SetRebalance{Change: paused.Change()})
	w.join(4)
	for range 100 {
		if w.tick() > 0 {
			t.Fatal("something began")
		}
	}
}

func TestAMoveToANodeThatDiesIsCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, settings(4))
	w.join(4)
	for len(w.m.Map().Moves) == 0 {
		w.tick()
	}
	w.die(name(4))
	w.tick()
	if m := w.m.Map(); len(m.Moves) > 0 || w.count(name(4)) > 0 {
		t.Errorf("it goes on: %v", m.Moves)
	}
}
