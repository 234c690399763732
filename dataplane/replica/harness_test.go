package replica

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// cluster is a few groups with one partition, perfect links unless cut, disks
// that sync at once unless stalled, and a map that the test changes by hand or
// that follows what primaries propose.
type cluster struct {
	t       *testing.T
	now     Time
	nodes   map[partition.NodeID]*testNode
	m       *partition.Map
	cut     map[[2]partition.NodeID]bool
	accept  bool // proposals are accepted
	hold    func(from partition.NodeID, e Envelope) bool
	held    []delivery
	answers map[string]Answer
	asked   []partition.Change
	orders  []SnapshotOrder
}

type delivery struct {
	from Peer
	env  Envelope
}

type testNode struct {
	c       *cluster
	self    Peer
	g       *Group
	state   *testState
	view    *View
	disk    []entry.Record // synced
	pending []entry.Record
	ticket  uint64
	stalled bool
	down    bool
	mapless bool // gets no maps but those that messages carry
	out     Output
	found   []Finding
}

// testState is a partition's state in memory.
type testState struct {
	values   map[string]*entry.Entry
	requests map[entry.RequestID]entry.Result
	keyed    map[entry.IdempotencyID]entry.Remembered
	applied  entry.Position
	logged   entry.LoggedTime
	hash     uint64
}

func newTestState() *testState {
	return &testState{
		values: map[string]*entry.Entry{}, requests: map[entry.RequestID]entry.Result{},
		keyed: map[entry.IdempotencyID]entry.Remembered{},
	}
}

func (s *testState) Remembered(id entry.IdempotencyID) (entry.Remembered, bool, error) {
	r, ok := s.keyed[id]
	return r, ok && r.Logged+entry.Remember > s.logged, nil
}

func (s *testState) NextExpiry() (next entry.LoggedTime) {
	for _, e := range s.values {
		if e.Expires != 0 && (next == 0 || e.Expires < next) {
			next = e.Expires
		}
	}
	return next
}

func (s *testState) Expired(by entry.LoggedTime, most int) (keys [][]byte, err error) {
	for _, k := range slices.Sorted(maps.Keys(s.values)) {
		if e := s.values[k]; e.Expires != 0 && e.Expires <= by && len(keys) < most {
			keys = append(keys, e.Key)
		}
	}
	return keys, nil
}

func (s *testState) Lookup(key []byte) (entry.Version, bool, error) {
	e, ok := s.values[string(key)]
	if !ok {
		return entry.Version{}, false, nil
	}
	return entry.Version{Sequence: e.Sequence, Expires: e.Expires}, true, nil
}

func (s *testState) Get(key []byte) ([]byte, entry.Version, bool, error) {
	v, ok, err := s.Lookup(key)
	if !ok {
		return nil, v, ok, err
	}
	return s.values[string(key)].Value, v, true, nil
}

func (s *testState) Request(id entry.RequestID) (entry.Result, bool, bool) {
	r, ok := s.requests[id]
	return r, ok, false
}

func (s *testState) Hash() uint64 { return s.hash }

func (s *testState) Apply(entries []*entry.Entry) {
	for _, e := range entries {
		if e.Sequence != s.applied.Sequence+1 {
			panic(fmt.Sprintf("applies %d after %d", e.Sequence, s.applied.Sequence))
		}
		s.applied, s.logged = e.Position, e.Logged
		if e.Idempotency != nil {
			s.keyed[e.Idempotency.ID] = entry.Remembered{
				Fingerprint: e.Idempotency.Fingerprint, Logged: e.Logged, Result: entry.Result{Sequence: e.Sequence, Existed: e.Existed},
			}
		}
		switch e.Kind {
		case entry.Put:
			s.values[string(e.Key)] = e
		case entry.Delete:
			delete(s.values, string(e.Key))
		case entry.Marker:
		}
		if !e.Request.IsZero() {
			s.requests[e.Request] = entry.Result{Sequence: e.Sequence, Existed: e.Existed}
		}
	}
}

// newCluster starts n nodes; the first three are in sync, n1 is primary.
func newCluster(t *testing.T, n int) *cluster {
	t.Helper()
	c := &cluster{
		t: t, now: Time(time.Hour), nodes: map[partition.NodeID]*testNode{},
		cut: map[[2]partition.NodeID]bool{}, answers: map[string]Answer{}, accept: true,
	}
	conf := partition.Configuration{Epoch: 1, Lineage: 7, Primary: "n1"}
	m := &partition.Map{Version: 1, Settings: partition.Settings{Partitions: 1, ReplicationFactor: 3, MinInSync: 2}}
	for i := 1; i <= n; i++ {
		id := partition.NodeID(fmt.Sprintf("n%d", i))
		store := partition.StoreID(100 + i)
		m.Nodes = append(m.Nodes, partition.Node{ID: id, Store: store, Incarnation: 1, StartID: startOf(id)})
		c.nodes[id] = &testNode{c: c, self: Peer{Node: id, Store: store, Start: partition.Start{Incarnation: 1, ID: startOf(id)}}}
		if i <= 3 {
			conf.Replicas = append(conf.Replicas, partition.Replica{Node: id, Store: store})
		}
	}
	m.Partitions = []partition.Configuration{conf}
	c.m = m
	for _, nd := range c.sorted() {
		nd.boot(0)
	}
	c.settle()
	return c
}

func (c *cluster) sorted() []*testNode {
	var out []*testNode
	for _, id := range slices.Sorted(maps.Keys(c.nodes)) {
		out = append(out, c.nodes[id])
	}
	return out
}

// boot makes the node's group from its disk.
func (n *testNode) boot(held time.Duration) {
	n.down, n.pending, n.ticket, n.view = false, nil, 0, nil
	n.g = NewGroup(Config{
		Self: n.self, MinInSync: 2, ReplicationFactor: 3, Booted: n.c.now, HeldPromise: held,
		Open:    func(partition.ID, uint32) State { n.state = newTestState(); return n.state },
		Publish: func(_ partition.ID, v *View) { n.view = v },
	})
	if len(n.disk) > 0 {
		cp := Copy{Lineage: n.disk[0].Lineage, State: newTestState()}
		n.state = cp.State.(*testState)
		for _, rec := range n.disk {
			if rec.Adopted >= cp.Adopted && rec.Adopted != 0 {
				cp.Adopted, cp.Lineage = rec.Adopted, rec.Lineage
			}
			if e := rec.Entry; e != nil && rec.Lineage == cp.Lineage {
				cp.Log = append(cp.Log[:min(int(e.Sequence-1), len(cp.Log))], e)
			}
		}
		n.g.Load(cp)
	}
	for id := range n.c.nodes {
		n.g.Connection(n.c.now, id, true)
	}
	n.g.SetMap(n.c.now, n.c.m)
}

// settle runs until nothing more happens without time.
func (c *cluster) settle() {
	c.t.Helper()
	for range 10_000 {
		var wire []delivery
		busy := false
		for _, n := range c.sorted() {
			if n.down {
				continue
			}
			n.g.Drain(&n.out)
			if n.out.Ticket != 0 {
				n.pending = append(n.pending, n.out.Records...)
				n.ticket = n.out.Ticket
			}
			for _, e := range n.out.Messages {
				wire = append(wire, delivery{n.self, e})
			}
			for _, a := range n.out.Answers {
				tag := a.Tag.(string)
				if prev, twice := c.answers[tag]; twice {
					c.t.Fatalf("%s answered twice: %v, %v", tag, prev, a)
				}
				c.answers[tag] = a.Settle(c.now)
			}
			c.asked = append(c.asked, n.out.Proposals...)
			n.found = append(n.found, n.out.Findings...)
			c.orders = append(c.orders, n.out.Snapshots...)
			if c.accept {
				for _, p := range n.out.Proposals {
					c.propose(p)
				}
			}
			if len(n.pending) > 0 && !n.stalled {
				n.disk, n.pending = append(n.disk, n.pending...), nil
				n.g.Synced(c.now, n.ticket)
				busy = true
			}
		}
		for _, d := range wire {
			busy = true
			if c.hold != nil && c.hold(d.from.Node, d.env) {
				c.held = append(c.held, d)
				continue
			}
			c.deliver(d)
		}
		if !busy {
			return
		}
	}
	c.t.Fatal("does not settle")
}

func (c *cluster) deliver(d delivery) {
	to := c.nodes[d.env.To]
	if to == nil || to.down || c.cut[[2]partition.NodeID{d.from.Node, d.env.To}] {
		return
	}
	m := d.env.Message
	to.g.Message(c.now, d.from, &m)
}

// propose is the coordinators' compare-and-set, in short.
func (c *cluster) propose(p partition.Change) {
	old := c.m.Partitions[0]
	if p.Epoch != old.Epoch {
		return
	}
	c.configure(func(conf *partition.Configuration) { conf.Primary = p.Primary; conf.Replicas = p.Replicas })
}

// configure makes the map's next version, raises the epoch, and tells everybody
// that hears the coordinators.
func (c *cluster) configure(edit func(*partition.Configuration)) {
	old := c.m.Partitions[0]
	conf := old
	conf.Replicas = slices.Clone(old.Replicas)
	edit(&conf)
	conf.Epoch++
	conf.Learners = nil
	for _, r := range slices.Concat(old.Replicas, old.Learners) {
		if _, in := partition.Find(conf.Replicas, r.Node); !in {
			conf.Learners = append(conf.Learners, r)
		}
	}
	slices.SortFunc(conf.Learners, func(a, b partition.Replica) int { return compareNodes(a.Node, b.Node) })
	c.publish(conf)
}

// publish gives the map a configuration, and the map to everybody.
func (c *cluster) publish(conf partition.Configuration) {
	m := *c.m
	m.Version++
	m.Partitions = []partition.Configuration{conf}
	c.m = &m
	for _, n := range c.sorted() {
		if !n.down && !n.mapless {
			n.g.SetMap(c.now, c.m)
		}
	}
}

// pass lets time pass in ticks of 25 ms.
func (c *cluster) pass(d time.Duration) {
	c.t.Helper()
	for end := c.now.Add(d); c.now < end; {
		c.now = c.now.Add(25 * time.Millisecond)
		for _, n := range c.sorted() {
			if !n.down {
				n.g.Tick(c.now)
			}
		}
		c.settle()
	}
}

func (c *cluster) kill(id partition.NodeID) {
	c.nodes[id].down = true
	for _, n := range c.nodes {
		if !n.down {
			n.g.Connection(c.now, id, false)
		}
	}
}

// restart boots a killed node again: what was not synced is gone, and its
// registration raises the epoch.
func (c *cluster) restart(id partition.NodeID) {
	c.restartAs(id, func(*partition.Configuration) {})
}

// restartElsewhere boots a node at another address: its registration makes it a
// learner, for its earlier start may be alive.
func (c *cluster) restartElsewhere(id partition.NodeID) {
	c.restartAs(id, func(conf *partition.Configuration) {
		r, _ := partition.Find(conf.Replicas, id)
		conf.Replicas = slices.DeleteFunc(slices.Clone(conf.Replicas), func(r partition.Replica) bool { return r.Node == id })
		conf.Learners = append(slices.Clone(conf.Learners), r)
	})
}

func (c *cluster) restartAs(id partition.NodeID, edit func(*partition.Configuration)) {
	n := c.nodes[id]
	n.self.Start.Incarnation++
	n.self.Start.ID += 1 << 40
	m := *c.m
	m.Nodes = slices.Clone(m.Nodes)
	for i := range m.Nodes {
		if m.Nodes[i].ID == id {
			m.Nodes[i].Incarnation, m.Nodes[i].StartID = n.self.Start.Incarnation, n.self.Start.ID
		}
	}
	c.m = &m
	n.boot(1250 * time.Millisecond)
	n.g.current = nil
	c.configure(edit)
	for _, o := range c.nodes {
		if !o.down {
			o.g.Connection(c.now, id, true)
		}
	}
	c.settle()
}

func (c *cluster) operation(tag string, a Action, key, value string) Operation {
	return Operation{
		Action: a, Epoch: c.m.Partitions[0].Epoch, Key: []byte(key), Value: []byte(value),
		Deadline: c.now.Add(10 * time.Second), Tag: tag,
	}
}

func (c *cluster) do(at partition.NodeID, op Operation) {
	c.t.Helper()
	c.nodes[at].g.Operate(c.now, op)
	c.settle()
}

func (c *cluster) want(tag string, o Outcome) Answer {
	c.t.Helper()
	a, ok := c.answers[tag]
	if !ok {
		c.t.Fatalf("%s: no answer, want %d", tag, o)
	}
	if a.Outcome != o {
		c.t.Fatalf("%s: outcome %d, want %d", tag, a.Outcome, o)
	}
	return a
}

func (c *cluster) wantOpen(tag string) {
	c.t.Helper()
	if a, ok := c.answers[tag]; ok {
		c.t.Fatalf("%s: answered %d, want none yet", tag, a.Outcome)
	}
}

func (c *cluster) status(id partition.NodeID) Status {
	c.t.Helper()
	s, ok := c.nodes[id].g.Status(0)
	if !ok {
		c.t.Fatalf("%s has no replica", id)
	}
	return s
}

// serve waits until the node serves.
func (c *cluster) serve(id partition.NodeID) {
	c.t.Helper()
	for range 200 {
		if c.status(id).Serving {
			return
		}
		c.pass(25 * time.Millisecond)
	}
	c.t.Fatalf("%s does not serve: %+v", id, c.status(id))
}

// startOf is the number of a node's first start.
func startOf(id partition.NodeID) partition.StartID {
	return partition.StartID(1<<32 + uint64(id[len(id)-1]))
}
