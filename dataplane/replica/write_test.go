package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func TestWriteIsOnEveryDiskBeforeItsAnswer(t *testing.T) { // W2, W3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.nodes["n3"].stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.wantOpen("put")
	if got := c.status("n1").Committed; got != 1 {
		t.Fatalf("committed %d while a replica in sync has not synced, want 1 (the marker)", got)
	}
	c.nodes["n3"].stalled = false
	c.settle()
	c.want("put", Done)
	for _, n := range c.sorted() {
		last := n.disk[len(n.disk)-1]
		if last.Entry == nil || string(last.Entry.Value) != "v" {
			t.Fatalf("%s: the value is not on disk", n.self.Node)
		}
	}
}

func TestWriteBelowMinInSyncIsNotLogged(t *testing.T) { // W3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.kill("n2")
	c.kill("n3")
	c.pass(3 * time.Second)
	if n := len(c.m.Partitions[0].Replicas); n != 1 {
		t.Fatalf("%d in sync, want 1", n)
	}
	last := c.status("n1").Last
	op := c.operation("put", Put, "k", "v")
	op.Deadline = c.now.Add(time.Second)
	c.do("n1", op)
	c.wantOpen("put")
	c.pass(1100 * time.Millisecond)
	c.want("put", TimedOut)
	if got := c.status("n1").Last; got != last {
		t.Fatalf("the log grew from %d to %d", last, got)
	}
}

func TestLowerEpochIsRefusedWithTheConfiguration(t *testing.T) { // W4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.nodes["n1"].mapless = true
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.do("n1", Operation{Action: Put, Epoch: 1, Key: []byte("k"), Deadline: c.now.Add(time.Second), Tag: "put"})
	c.want("put", Unknown)
	if got := c.status("n1").Epoch; got != 2 {
		t.Fatalf("epoch %d after a refusal, want 2", got)
	}
}

func TestNoEpochBeforeTheMapNamesThisBoot(t *testing.T) { // W4
	t.Parallel()
	c := newCluster(t, 3)
	n := c.nodes["n2"]
	n.self.Start.Incarnation = 2
	n.boot(0)
	if _, ok := n.g.Status(0); ok {
		t.Fatal("acts on a map that names an earlier boot")
	}
}

func TestRefusalWaitsForWhatItWasJudgedOn(t *testing.T) { // W5
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.nodes["n2"].stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	create := c.operation("create", Put, "k", "w")
	create.Condition.IfNoneMatchStar = true
	c.do("n1", create)
	c.wantOpen("create")
	c.nodes["n2"].stalled = false
	c.settle()
	c.want("put", Done)
	if a := c.want("create", PreconditionFailed); a.Result.Sequence != 2 || !a.Leased {
		t.Fatalf("got %+v", a)
	}
}

func TestRefusalNeedsTheLease(t *testing.T) { // W5, L3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.accept = false
	for _, n := range []partition.NodeID{"n2", "n3"} {
		c.cut[[2]partition.NodeID{n, "n1"}] = true
	}
	c.pass(1100 * time.Millisecond)
	create := c.operation("create", Put, "k", "w")
	create.Condition.IfNoneMatchStar = true
	c.do("n1", create)
	c.do("n1", c.operation("get", Get, "k", ""))
	c.do("n1", c.operation("delete", Delete, "absent", ""))
	for _, tag := range []string{"create", "get", "delete"} {
		c.wantOpen(tag)
	}
	clear(c.cut)
	c.pass(500 * time.Millisecond)
	c.want("create", PreconditionFailed)
	c.want("get", Found)
	c.want("delete", Done)
}

func TestConditionsSeePreparedEntries(t *testing.T) { // W1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.nodes["n2"].stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	swap := c.operation("swap", Put, "k", "w")
	swap.Condition.IfMatch = []entry.ETag{{Lineage: 7, Sequence: 2}}
	c.do("n1", swap)
	c.do("n1", c.operation("delete", Delete, "k", ""))
	c.do("n1", c.operation("get", Get, "k", ""))
	c.want("get", Absent) // what is not committed is not read
	c.nodes["n2"].stalled = false
	c.settle()
	if a := c.want("swap", Done); !a.Result.Existed || a.Result.Sequence != 3 {
		t.Fatalf("got %+v", a)
	}
	if a := c.want("delete", Done); !a.Result.Existed {
		t.Fatalf("got %+v", a)
	}
}

func TestSameRequestIsAppliedOnce(t *testing.T) { // Q1, Q3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	id := entry.RequestID{Origin: 9, Boot: 1, Counter: 1}
	c.nodes["n2"].stalled = true
	for _, tag := range []string{"first", "again"} {
		op := c.operation(tag, Put, "k", tag)
		op.Request = id
		c.do("n1", op)
	}
	c.nodes["n2"].stalled = false
	c.settle()
	late := c.operation("late", Put, "k", "late")
	late.Request = id
	c.do("n1", late)
	first := c.want("first", Done)
	for _, tag := range []string{"again", "late"} {
		if a := c.want(tag, Done); a.Result != first.Result {
			t.Fatalf("%s: %+v, want %+v", tag, a.Result, first.Result)
		}
	}
	if got := c.status("n1").Last; got != 2 {
		t.Fatalf("log ends at %d, want 2", got)
	}
}

func TestRequestSurvivesFailOver(t *testing.T) { // Q1, Q4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	id := entry.RequestID{Origin: 9, Boot: 1, Counter: 1}
	op := c.operation("first", Put, "k", "v")
	op.Request = id
	c.do("n1", op)
	c.want("first", Done)
	c.kill("n1")
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2"; conf.Replicas = conf.Replicas[1:] })
	c.serve("n2")
	op = c.operation("again", Put, "k", "w")
	op.Request = id
	c.do("n2", op)
	if a := c.want("again", Done); a.Result.Sequence != 2 {
		t.Fatalf("applied again: %+v", a.Result)
	}
}

func TestOperationOfAnotherEpochIsRefusedBeforeTheLog(t *testing.T) { // Q4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	old := c.operation("old", Put, "k", "v")
	c.configure(func(*partition.Configuration) {})
	c.settle()
	ahead := c.operation("ahead", Put, "k", "v")
	ahead.Epoch++
	c.do("n1", old)
	c.do("n1", ahead)
	if a := c.want("old", NotPrimary); a.Configuration.Epoch != 2 {
		t.Fatalf("got %+v", a.Configuration)
	}
	c.wantOpen("ahead")
	c.configure(func(*partition.Configuration) {})
	c.settle()
	c.want("ahead", Done)
}

func TestSupersededPrimaryDoesNotKnowTheFate(t *testing.T) { // Q4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.nodes["n3"].stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.nodes["n3"].stalled = false
	c.settle()
	c.want("put", Unknown)
}
