package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// keyedPut is a write with an Idempotency-Key, as another client attempt, or
// another node, sends it: with a request ID of its own.
func (c *cluster) keyedPut(tag string, counter uint64, id, fingerprint byte) Operation {
	op := c.operation(tag, Put, "k", "v")
	op.Request = entry.RequestID{Origin: 9, Boot: 1, Counter: counter}
	op.Idempotency = &entry.Idempotency{ID: entry.IdempotencyID{id}, Fingerprint: entry.Fingerprint{fingerprint}}
	return op
}

func TestARepeatedKeyGivesTheFirstAnswer(t *testing.T) { // Q2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.keyedPut("first", 1, 1, 1))
	first := c.want("first", Done)
	c.do("n1", c.operation("other", Put, "k", "w"))
	c.do("n1", c.keyedPut("again", 2, 1, 1))
	if got := c.want("again", Done); got.Result != first.Result {
		t.Fatalf("%+v, first it was %+v", got.Result, first.Result)
	}
	c.do("n1", c.keyedPut("another", 3, 1, 2))
	c.want("another", KeyReused)
}

func TestAKeyInUseIsInProgress(t *testing.T) { // Q2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.nodes["n2"].stalled = true
	c.do("n1", c.keyedPut("first", 1, 1, 1))
	c.wantOpen("first")
	c.do("n1", c.keyedPut("second", 2, 1, 1))
	c.want("second", InProgress)
	own := c.keyedPut("own retry", 1, 1, 1)
	c.do("n1", own)
	c.wantOpen("own retry") // it joins its first attempt
	c.do("n1", c.keyedPut("another", 3, 1, 2))
	c.wantOpen("another") // until the key is certainly taken
	c.nodes["n2"].stalled = false
	c.settle()
	if first, retry := c.want("first", Done), c.want("own retry", Done); first.Result != retry.Result {
		t.Fatalf("%+v, and its retry %+v", first.Result, retry.Result)
	}
	c.want("another", KeyReused)
}

func TestAKeySurvivesAFailOver(t *testing.T) { // Q2, T2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.keyedPut("applied", 1, 1, 1))
	applied := c.want("applied", Done)
	c.alone("n1") // what it logs now reaches nobody
	c.kill("n1")
	c.nodes["n2"].mapless, c.nodes["n3"].mapless = false, false
	c.failOver()
	c.do("n2", c.keyedPut("again", 2, 1, 1))
	if got := c.want("again", Done); got.Result != applied.Result {
		t.Fatalf("%+v, first it was %+v", got.Result, applied.Result)
	}
}

func TestDeletingNothingIsRememberedForItsKey(t *testing.T) { // Q2, W5
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	remove := func(tag string, counter uint64) Operation {
		op := c.keyedPut(tag, counter, 1, 1)
		op.Action, op.Value = Delete, nil
		return op
	}
	c.do("n1", remove("first", 1))
	if a := c.want("first", Done); a.Result.Existed || a.Result.Sequence == 0 {
		t.Fatalf("%+v", a.Result)
	}
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.do("n1", remove("again", 2))
	if a := c.want("again", Done); a.Result.Existed {
		t.Fatalf("%+v", a.Result)
	}
	c.do("n1", c.operation("get", Get, "k", ""))
	c.want("get", Found)
}

func TestLoggedTimeGoesOnWithTheNextPrimary(t *testing.T) { // Q5
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	last := c.nodes["n1"].g.replicas[0].logged.last
	c.pass(3 * time.Second) // nothing is logged
	c.kill("n1")
	c.failOver()
	if got := c.nodes["n2"].g.replicas[0].log.last(); got.Sequence != 3 {
		t.Fatalf("last %+v", got)
	}
	marker := c.nodes["n2"].g.replicas[0].log.at(3)
	if grown := marker.Logged - last; grown < 3000 || grown > 6000 {
		t.Fatalf("logged time has grown by %d ms in more than 3 s", grown)
	}
}

// An entry that was never committed is ahead of those that replace it, made by a
// primary that had lost some time in a restart. Time goes on from the latter.
func TestLoggedTimeFollowsTheLogThatReplaces(t *testing.T) { // Q5, T2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	r := c.nodes["n3"].g.replicas[0]
	began := r.logged.last
	add := func(epoch partition.Epoch, logged entry.LoggedTime) {
		e := &entry.Entry{Kind: entry.Put, Key: []byte("k"), Logged: logged}
		e.Sequence, e.Epoch = 2, epoch
		r.appendEntry(e)
	}
	add(1, began+60_000)
	r.replaceFrom(2)
	add(2, began+10)
	if got := r.loggedNow(); got != began+10 {
		t.Fatalf("logged time %d, not %d as the newest entry says", got, began+10)
	}
}

func TestLoggedTimeGrowsThoughEntriesComeFaster(t *testing.T) { // Q5
	t.Parallel()
	var clock loggedClock
	now := Time(0)
	for range 10_000 {
		now = now.Add(300 * time.Microsecond)
		clock.take(now)
	}
	if clock.last < 2999 || clock.last > 3000 {
		t.Fatalf("%d ms in 3 s", clock.last)
	}
}

// failOver makes n2 primary of what n1 leaves.
func (c *cluster) failOver() {
	c.t.Helper()
	c.primary("n2", "n2", "n3")
	c.serve("n2")
}
