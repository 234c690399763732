package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// primary changes the map: who leads, and who is in sync.
func (c *cluster) primary(id partition.NodeID, inSync ...partition.NodeID) {
	c.t.Helper()
	c.configure(func(conf *partition.Configuration) {
		conf.Primary = id
		var left []partition.Replica
		for _, r := range conf.Replicas {
			for _, n := range inSync {
				if r.Node == n {
					left = append(left, r)
				}
			}
		}
		conf.Replicas = left
	})
}

// short is a cluster with a value of 100 ms, that nobody sweeps.
func short(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, 3)
	c.serve("n1")
	for _, n := range c.nodes {
		n.g.cfg.ExpiryBatch = 0
	}
	put := c.operation("put", Put, "k", "v")
	put.TTL = 100 * time.Millisecond
	c.do("n1", put)
	c.want("put", Done)
	return c
}

func TestAnEndIsCommittedBeforeItIsTold(t *testing.T) {
	t.Parallel()
	c := short(t)
	c.do("n1", c.operation("before", Get, "k", ""))
	c.want("before", Found)
	c.pass(100 * time.Millisecond)
	c.nodes["n2"].stalled = true
	c.do("n1", c.operation("after", Get, "k", ""))
	c.wantOpen("after")
	gone := c.nodes["n1"].g.replicas[0].log.at(3)
	if gone == nil || gone.Kind != entry.Delete || !gone.Existed {
		t.Fatalf("logged %+v", gone)
	}
	c.do("n1", c.operation("another", Get, "k", "")) // shares the entry
	c.nodes["n2"].stalled = false
	c.settle()
	c.want("after", Absent)
	c.want("another", Absent)
	if last := c.status("n1").Last; last != 3 {
		t.Fatalf("log ends at %d", last)
	}
}

func TestAnExpiredValueIsNoneForConditions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		edit func(op *Operation)
		want Outcome
		exis bool
	}{
		{"if there is none", func(op *Operation) { op.Condition.IfNoneMatchStar = true }, Done, false},
		{"if there is one", func(op *Operation) { op.Condition.IfMatchAny = true }, PreconditionFailed, false},
		{"put", func(*Operation) {}, Done, false},
		{"delete", func(op *Operation) { op.Action, op.Value = Delete, nil }, Done, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := short(t)
			c.pass(100 * time.Millisecond)
			op := c.operation("op", Put, "k", "w")
			test.edit(&op)
			c.do("n1", op)
			if a := c.want("op", test.want); a.Result.Existed != test.exis {
				t.Fatalf("%+v", a)
			}
		})
	}
}

func TestAPutWithoutTTLClearsIt(t *testing.T) {
	t.Parallel()
	c := short(t)
	c.do("n1", c.operation("again", Put, "k", "w"))
	for _, n := range c.nodes {
		n.g.cfg.ExpiryBatch = 1
	}
	c.pass(time.Second)
	c.do("n1", c.operation("get", Get, "k", ""))
	c.want("get", Found)
}

func TestExpiredValuesAreSweptAFewAtATime(t *testing.T) {
	t.Parallel()
	c := short(t)
	for _, k := range []string{"a", "b", "c"} {
		op := c.operation(k, Put, k, "v")
		op.TTL = 100 * time.Millisecond
		c.do("n1", op)
	}
	c.pass(100 * time.Millisecond)
	for _, n := range c.nodes {
		n.g.cfg.ExpiryBatch = 3
	}
	before := c.status("n1").Last
	c.pass(25 * time.Millisecond)
	if grown := c.status("n1").Last - before; grown != 3 {
		t.Fatalf("%d removed in one tick", grown)
	}
	c.pass(50 * time.Millisecond)
	if len(c.nodes["n3"].state.values) > 0 {
		t.Fatalf("still there: %v", c.nodes["n3"].state.values)
	}
}

func TestATTLGoesOnWithTheNextPrimary(t *testing.T) { // Q5
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	put := c.operation("put", Put, "k", "v")
	put.TTL = 10 * time.Second
	c.do("n1", put)
	c.pass(7 * time.Second)
	c.kill("n1")
	c.failOver()
	c.do("n2", c.operation("before", Get, "k", ""))
	c.want("before", Found)
	c.pass(3 * time.Second)
	c.do("n2", c.operation("after", Get, "k", ""))
	c.want("after", Absent)
}

func TestTimeIsLoggedWhereSomethingWillEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	put := c.operation("put", Put, "k", "v")
	put.TTL = time.Hour
	c.do("n1", put)
	before := c.status("n1").Last
	c.pass(timeEntryEvery + time.Second)
	if grown := c.status("n1").Last - before; grown != 1 {
		t.Fatalf("%d entries in a minute", grown)
	}
}
