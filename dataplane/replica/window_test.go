package replica

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// A log that is longer than what may be unacknowledged must not keep a member,
// of which nothing is acknowledged yet, from being sent what it lacks.
func TestALearnerCatchesUpWithALogLongerThanTheWindow(t *testing.T) { // K1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	for i := range 50 {
		c.do("n1", c.operation(fmt.Sprint(i), Put, "k", "value"))
		c.want(fmt.Sprint(i), Done)
	}
	c.kill("n2")
	c.kill("n3")
	c.pass(time.Second)
	c.kill("n1")
	c.restart("n1") // it knows of nothing that is committed
	c.nodes["n1"].g.cfg.MaxUnackedBytes = 2000
	c.restart("n2")
	c.pass(5 * time.Second)
	if !c.m.Partitions[0].InSync("n2") {
		t.Fatalf("n2 is not back: %+v, %+v", c.m.Partitions[0], c.status("n1"))
	}
}

// A message lost from the middle of a pipeline costs what came after it once
// more, not once for each message that was rejected because of it.
func TestAGapInThePipelineIsNotMultiplied(t *testing.T) { // T2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	const puts = 50
	n1, n3 := c.nodes["n1"], c.nodes["n3"]
	sent := 0
	take := func() (toN3 []delivery) { // what n1 has put out for n3
		n1.g.Drain(&n1.out)
		n1.pending = append(n1.pending, n1.out.Records...)
		n1.ticket = max(n1.ticket, n1.out.Ticket)
		for _, e := range n1.out.Messages {
			if e.To == "n3" {
				sent += len(e.Message.Entries)
				toN3 = append(toN3, delivery{n1.self, e})
			}
		}
		return toN3
	}
	for i := range puts {
		n1.g.Operate(c.now, c.operation(fmt.Sprint(i), Put, fmt.Sprint(i), "v"))
		for _, d := range take() {
			if i > 0 { // the first is lost
				c.deliver(d)
			}
		}
	}
	n3.g.Drain(&n3.out)
	rejects := n3.out.Messages
	var again []delivery
	for _, e := range rejects {
		c.deliver(delivery{n3.self, e})
		again = append(again, take()...)
	}
	for _, d := range again {
		c.deliver(d)
	}
	c.settle()
	c.pass(time.Second)
	if c.status("n3").Last != c.status("n1").Last {
		t.Fatalf("n3 has %d, n1 %d", c.status("n3").Last, c.status("n1").Last)
	}
	if len(rejects) < puts-1 || sent > 3*puts {
		t.Fatalf("%d rejections, %d entries sent for %d", len(rejects), sent, puts)
	}
}

// comeAndGo removes n3 and has it back in the set, or tries to, a few times.
func (c *cluster) comeAndGo() {
	c.t.Helper()
	for range 2 {
		c.cut[[2]partition.NodeID{"n3", "n1"}] = true
		c.pass(1500 * time.Millisecond)
		delete(c.cut, [2]partition.NodeID{"n3", "n1"})
		c.pass(time.Second)
	}
}

func TestAReplicaThatComesAndGoesWaits(t *testing.T) { // K3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.comeAndGo()
	if c.m.Partitions[0].InSync("n3") {
		t.Fatal("n3 is back at once, removed twice within a minute")
	}
	c.pass(time.Minute)
	if !c.m.Partitions[0].InSync("n3") {
		t.Fatal("n3 is not back after a minute")
	}
}

// Back-off spares a partition that can do without the replica. One that is
// below min-in-sync cannot.
func TestNobodyWaitsToComeBackBelowMinInSync(t *testing.T) { // K3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.kill("n2")
	c.pass(time.Second)
	c.comeAndGo()
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.pass(time.Second)
	c.want("put", Done)
}

// What was held for a learner goes when it needs it no more, though nothing is
// flushed then: writes may be refused until it goes.
func TestWhatWasHeldForALearnerGoesWithoutAFlush(t *testing.T) { // K1
	t.Parallel()
	c := withoutN3(t)
	g := c.nodes["n1"].g
	g.cfg.LogRetention, g.cfg.AwayRetention = 1000, 4000
	r := g.replicas[0]
	c.streams(r.member("n3"))
	for i := range 100 {
		tag := fmt.Sprint(i)
		c.do("n1", c.operation(tag, Put, tag, strings.Repeat("v", 100)))
		c.want(tag, Done)
		g.Trim(0, r.applied)
	}
	if held := c.status("n1").Window; held < 20_000 {
		t.Fatalf("held for the learner: %d bytes", held)
	}
	c.restart("n3")
	c.pass(30 * time.Second)
	if window := c.status("n1").Window; !r.conf.InSync("n3") || window > 1000 {
		t.Errorf("in sync %v, and still %d bytes in memory", r.conf.InSync("n3"), window)
	}
}

// Between the end of a snapshot and the learner's next word what comes after the
// snapshot is kept: or many writes make another one necessary.
func TestWhatComesAfterASnapshotIsKeptUntilTheLearnerIsHeard(t *testing.T) { // K1
	t.Parallel()
	c := withoutN3(t)
	g := c.nodes["n1"].g
	g.cfg.LogRetention, g.cfg.AwayRetention = 1, 1
	r := g.replicas[0]
	m := r.member("n3")
	order := c.streams(m)
	at := r.applied
	for i := range 20 {
		tag := fmt.Sprint(i)
		c.do("n1", c.operation(tag, Put, tag, "v"))
		c.want(tag, Done)
	}
	g.SnapshotSent(c.now, order, nil)
	g.Trim(0, r.applied)
	if r.log.base.Sequence > at {
		t.Errorf("the log begins at %d, the snapshot was of %d", r.log.base.Sequence, at)
	}
	c.pass(2 * learnerIdle) // it is never heard
	g.Trim(0, r.applied)
	if r.log.base.Sequence < r.applied {
		t.Errorf("kept for nobody: the log begins at %d of %d", r.log.base.Sequence, r.applied)
	}
}

// streams has n1 order a snapshot for a learner, and begins its stream.
func (c *cluster) streams(m *member) SnapshotOrder {
	c.t.Helper()
	g := c.nodes["n1"].g
	order := c.ordered(m)
	if !g.SnapshotBegins(c.now, order) {
		c.t.Fatal("the order does not stand")
	}
	return order
}

// ordered has n1 order a snapshot for a learner.
func (c *cluster) ordered(m *member) SnapshotOrder {
	r := c.nodes["n1"].g.replicas[0]
	r.orderSnapshot(m)
	return SnapshotOrder{Partition: 0, To: m.node, Epoch: r.conf.Epoch, ID: m.snapshots}
}

// Orders wait for one another: after the loss of a disk all of a node's partitions
// have one, and only a few are streamed at a time. What each of them kept would
// soon be more than there is memory for, and writes would be refused.
func TestAnOrderThatWaitsKeepsNothing(t *testing.T) { // K1
	t.Parallel()
	c := withoutN3(t)
	g := c.nodes["n1"].g
	g.cfg.LogRetention, g.cfg.AwayRetention = 1, 1
	r := g.replicas[0]
	write := func(what string) {
		for i := range 20 {
			tag := fmt.Sprint(what, i)
			c.do("n1", c.operation(tag, Put, tag, "v"))
			c.want(tag, Done)
		}
		g.Trim(0, r.applied)
	}
	order := c.ordered(r.member("n3"))
	write("waits")
	if r.log.base.Sequence < r.applied {
		t.Errorf("it waits, and the log from %d of %d is kept", r.log.base.Sequence, r.applied)
	}
	if !g.SnapshotBegins(c.now, order) {
		t.Fatal("the order does not stand")
	}
	at := r.applied
	write("streams")
	if r.log.base.Sequence != at {
		t.Errorf("the stream began at %d, the log at %d", at, r.log.base.Sequence)
	}
}

// An order that waited is not carried out when its learner has started again, or
// another is primary.
func TestAnOrderStandsForOneBootAndOneOffice(t *testing.T) { // K1
	t.Parallel()
	c := withoutN3(t)
	g := c.nodes["n1"].g
	r := g.replicas[0]
	order := c.ordered(r.member("n3"))
	other := order
	other.ID++
	if g.SnapshotBegins(c.now, other) {
		t.Error("another order stands")
	}
	if !g.SnapshotBegins(c.now, order) {
		t.Error("it does not stand")
	}
	c.restart("n3")
	if g.SnapshotBegins(c.now, order) {
		t.Error("the learner has started again, and its order stands")
	}
	c.primary("n2", "n1", "n2")
	if g.SnapshotBegins(c.now, order) {
		t.Error("another is primary, and the order stands")
	}
}

// withoutN3 is a cluster whose third node is gone, and taken out.
func withoutN3(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, 3)
	c.serve("n1")
	c.kill("n3")
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	return c
}
