package liveness

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

const ms = time.Millisecond

// failer is what testing.T and rapid.T have in common here.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// watch is a detector with the machine that its commands would go to.
type watch struct {
	t      failer
	d      *Detector
	m      *state.Machine
	index  uint64
	now    time.Duration
	silent map[partition.NodeID]bool
	// connected: the process that a contest is against has a connection.
	connected bool
	report    map[partition.NodeID]Report
}

// newWatch has the partitions given, on as many nodes. A partition is written
// as its replicas, the primary first: "n1 n2 n3". All nodes are heard from.
func newWatch(t testing.TB, nodes, minInSync int, partitions ...string) *watch {
	t.Helper()
	w := &watch{
		t: t, d: New(Config{}), m: state.New(), now: time.Hour,
		silent: map[partition.NodeID]bool{}, report: map[partition.NodeID]Report{},
	}
	factor := len(strings.Fields(partitions[0]))
	w.apply(state.Create{ClusterID: "c", Application: "a", Settings: partition.Settings{
		Partitions: len(partitions), ReplicationFactor: factor, MinInSync: minInSync, ExpectNodes: factor,
	}})
	for i := range nodes {
		w.apply(state.Register{Node: named(i + 1)})
	}
	var list []partition.Configuration
	for i, p := range partitions {
		set := strings.Fields(p)
		list = append(list, partition.Configuration{
			ID: partition.ID(i), Epoch: 1, Lineage: 7, Primary: partition.NodeID(set[0]), Replicas: w.replicas(set...),
		})
	}
	w.apply(state.Place{Configurations: list})
	return w
}

func named(i int) partition.Node {
	return partition.Node{
		ID: partition.NodeID(fmt.Sprint("n", i)), Store: partition.StoreID(99 + i), Incarnation: 1, PeerAddr: fmt.Sprint("h", i), Weight: 1,
	}
}

func (w *watch) replicas(names ...string) []partition.Replica {
	w.t.Helper()
	var out []partition.Replica
	for _, name := range slices.Sorted(slices.Values(names)) {
		n, known := w.m.Map().Node(partition.NodeID(name))
		if !known {
			w.t.Fatalf("no node %q", name)
		}
		out = append(out, partition.Replica{Node: n.ID, Store: n.Store})
	}
	return out
}

func (w *watch) apply(c state.Command) {
	w.t.Helper()
	w.index++
	r := w.m.Apply(w.index, c)
	if r.Err != nil {
		w.t.Fatalf("%+v: %v", c, r.Err)
	}
	for _, v := range r.Verdicts {
		if v.Err != nil {
			w.t.Fatalf("%+v: %v", c, v.Err)
		}
	}
}

// set gives a partition's in-sync set, as its primary would ask for it.
func (w *watch) set(id partition.ID, primary string, in ...string) {
	w.t.Helper()
	cur, _ := w.m.Map().Partition(id)
	change := partition.Change{Partition: id, Epoch: cur.Epoch, Primary: partition.NodeID(primary), Replicas: w.replicas(in...), Proposer: cur.Primary}
	for _, r := range change.Replicas {
		if n, _ := w.m.Map().Node(r.Node); !cur.InSync(r.Node) {
			change.Added = append(change.Added, partition.Added{Node: r.Node, Start: n.Start()})
		}
	}
	w.apply(state.Changes{Changes: []partition.Change{change}})
}

// beats sends the heartbeats of all nodes that are not silent.
func (w *watch) beats() {
	m := w.m.Map()
	for _, n := range m.Nodes {
		if !w.silent[n.ID] {
			r := w.report[n.ID]
			if r.MapVersion == 0 {
				r.MapVersion = m.Version
			}
			w.d.Heartbeat(w.now, ProcessOf(&n), r)
		}
	}
}

// corrupt has a node say of a copy that it is corrupt, from its next heartbeat on.
func (w *watch) corrupt(id partition.NodeID, c Corrupt) {
	r := w.report[id]
	r.Corrupt = append(r.Corrupt, c)
	w.report[id] = r
}

// run lets time pass, with ticks and heartbeats, and returns what the last tick
// that wanted something wanted.
func (w *watch) run(d time.Duration) []state.Command {
	w.t.Helper()
	for end := w.now + d; w.now < end; {
		w.now += 50 * ms
		if w.now%(250*ms) == 0 {
			w.beats()
		}
		if commands := w.tick(); len(commands) > 0 {
			return commands
		}
	}
	return nil
}

// tick returns what is to be proposed, confirmations left out.
func (w *watch) tick() []state.Command {
	return slices.DeleteFunc(w.d.Tick(w.now, w.m.Map()), func(c state.Command) bool { _, ok := c.(state.Confirm); return ok })
}

// quiet lets time pass in which nothing must be proposed.
func (w *watch) quiet(d time.Duration) {
	w.t.Helper()
	start := w.now
	if c := w.run(d); c != nil {
		w.t.Fatalf("after %v: %s", w.now-start, text(c))
	}
}

// wants lets time pass until something is proposed: it must be this.
func (w *watch) wants(within time.Duration, want ...string) {
	w.t.Helper()
	got := text(w.run(within))
	if want := strings.Join(want, "; "); got != want {
		w.t.Fatalf("proposed: %s\nwant: %s", got, want)
	}
}

func (w *watch) live() string { return fmt.Sprint(w.d.Live(w.now, w.m.Map())) }

// text writes commands as "fail n1: 0 n2 [n2 n3], 1 n3 [n3]; give: 2 n1 [n1]".
func text(commands []state.Command) string {
	var out []string
	for _, c := range commands {
		switch c := c.(type) {
		case state.Fail:
			out = append(out, fmt.Sprintf("fail %s: %s", c.Node, changes(c.Changes)))
		case state.Changes:
			out = append(out, "give: "+changes(c.Changes))
		default:
			out = append(out, fmt.Sprintf("%T", c))
		}
	}
	return strings.Join(out, "; ")
}

func changes(list []partition.Change) string {
	var out []string
	for _, c := range list {
		out = append(out, fmt.Sprint(uint32(c.Partition), " ", c.Primary, " ", partition.Nodes(c.Replicas)))
	}
	return strings.Join(out, ", ")
}

// process is a start of the node with the store that it has at first.
func process(id partition.NodeID, incarnation uint64) Process {
	var i int
	_, _ = fmt.Sscanf(string(id), "n%d", &i)
	return Process{Node: id, Store: partition.StoreID(99 + i), Start: partition.Start{Incarnation: incarnation}}
}
