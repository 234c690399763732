package replica

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// A key gets an entry every 2 ms, and an entry takes 3 ms to commit: it always
// has one that is not committed. What logs nothing is answered all the same, as
// soon as the entry that it was judged on is committed (W5).
func TestVerdictsOnAHotKeyAreGiven(t *testing.T) {
	t.Parallel()
	unless := func(op Operation) Operation { op.Condition.IfNoneMatchStar = true; return op }
	write := func(c *cluster, tag string) Operation { return c.operation(tag, Put, "hot", "v") }
	for _, test := range []struct {
		name string
		hot  func(c *cluster, tag string) Operation
		late func(c *cluster) Operation
		want Outcome
	}{
		{"a failed condition", write, func(c *cluster) Operation { return unless(c.operation("late", Put, "hot", "mine")) }, PreconditionFailed},
		{"a failed condition of a delete", write, func(c *cluster) Operation {
			op := c.operation("late", Delete, "hot", "")
			op.Condition.IfMatch = []entry.ETag{{Lineage: 7, Sequence: 1}}
			return op
		}, PreconditionFailed},
		{"a delete of nothing", func(c *cluster, tag string) Operation {
			op := c.operation(tag, Delete, "hot", "")
			op.Idempotency = &entry.Idempotency{} // else it logs nothing
			copy(op.Idempotency.ID[:], tag)
			return op
		}, func(c *cluster) Operation { return c.operation("late", Delete, "hot", "") }, Done},
		{"a read, of values that end before they are committed", func(c *cluster, tag string) Operation {
			op := write(c, tag)
			op.TTL = time.Millisecond
			return op
		}, func(c *cluster) Operation { return c.operation("late", Get, "hot", "") }, Found},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 3)
			c.serve("n1")
			c.do("n1", test.hot(c, "first"))
			c.want("first", Done)
			c.pass(25 * time.Millisecond)
			if took := c.keepHot(test.hot, test.late); took > 10*time.Millisecond {
				t.Errorf("answered after %v", took)
			}
			c.want("late", test.want)
		})
	}
}

// keepHot logs an entry every 2 ms whose acknowledgements take 3 ms, and returns
// how long a late operation takes to be answered meanwhile.
func (c *cluster) keepHot(hot func(c *cluster, tag string) Operation, late func(c *cluster) Operation) time.Duration {
	c.t.Helper()
	type arrival struct {
		at Time
		d  delivery
	}
	var arriving []arrival
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.Message.Kind == Ack }
	var asked Time
	for ms := range 1000 {
		c.now = c.now.Add(time.Millisecond)
		for len(arriving) > 0 && arriving[0].at <= c.now {
			c.deliver(arriving[0].d)
			arriving = arriving[1:]
		}
		if ms%25 == 0 {
			for _, n := range c.sorted() {
				n.g.Tick(c.now)
			}
		}
		if ms%2 == 0 {
			c.nodes["n1"].g.Operate(c.now, hot(c, fmt.Sprint(ms)))
		}
		if ms == 100 {
			asked = c.now
			c.nodes["n1"].g.Operate(c.now, late(c))
		}
		c.settle()
		for _, d := range c.held {
			arriving = append(arriving, arrival{c.now.Add(3 * time.Millisecond), d})
		}
		c.held = nil
		if _, ok := c.answers["late"]; ok {
			return c.now.Sub(asked)
		}
	}
	c.t.Fatal("the operation is not answered while its key gets entries")
	return 0
}

// uncommitted serves k = "v", sequence 2, which no acknowledgement has reached yet.
func uncommitted(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, 3)
	c.serve("n1")
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.Message.Kind == Ack }
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.wantOpen("put")
	return c
}

// withoutLease serves k = "v", sequence 2, as uncommitted does, in a primary whose
// lease has run out: answers to its beacons are held.
func withoutLease(t *testing.T) *cluster {
	t.Helper()
	c := newCluster(t, 3)
	c.serve("n1")
	c.accept = false
	c.hold = func(from partition.NodeID, e Envelope) bool { return from == "n2" && e.Message.Kind == BeaconReply }
	c.pass(1100 * time.Millisecond)
	replies := c.hold
	c.hold = func(from partition.NodeID, e Envelope) bool { return replies(from, e) || e.Message.Kind == Ack }
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.wantOpen("put")
	return c
}

func acks(d delivery) bool { return d.env.Message.Kind == Ack }

// create is an operation that fails where k has a value.
func (c *cluster) create(tag string) Operation {
	op := c.operation(tag, Put, "k", "w")
	op.Condition.IfNoneMatchStar = true
	return op
}

// release delivers the messages held that are wanted, and holds nothing more of
// that kind.
func (c *cluster) release(wanted func(d delivery) bool) {
	c.t.Helper()
	held, hold := c.held, c.hold
	c.held = nil
	c.hold = func(from partition.NodeID, e Envelope) bool {
		return hold(from, e) && !wanted(delivery{c.nodes[from].self, e})
	}
	for _, d := range held {
		if wanted(d) {
			c.deliver(d)
		} else {
			c.held = append(c.held, d)
		}
	}
	c.settle()
}

func anything(delivery) bool { return true }

func TestAVerdictWaitsForTheEntryItWasJudgedOn(t *testing.T) { // W5
	t.Parallel()
	c := uncommitted(t)
	c.do("n1", c.create("create"))
	c.do("n1", c.operation("remove", Delete, "k", ""))
	c.do("n1", c.operation("nothing", Delete, "k", ""))
	for _, tag := range []string{"create", "remove", "nothing"} {
		c.wantOpen(tag)
	}
	c.release(func(d delivery) bool { return d.env.Message.Last.Sequence == 2 })
	c.want("put", Done)
	// It is as it was when it was judged, though the key is to be removed by now.
	if a := c.want("create", PreconditionFailed); a.Result.Sequence != 2 {
		t.Errorf("the condition failed on %d, want 2", a.Result.Sequence)
	}
	c.wantOpen("remove")
	c.wantOpen("nothing")
	c.release(anything)
	c.want("remove", Done)
	if a := c.want("nothing", Done); a.Result.Sequence != 0 {
		t.Errorf("the delete of nothing is answered with %d", a.Result.Sequence)
	}
}

func TestAVerdictIsKeptUntilThereIsALease(t *testing.T) { // W5, L3
	t.Parallel()
	c := withoutLease(t)
	c.do("n1", c.create("create"))
	c.release(acks)
	c.want("put", Done)
	c.wantOpen("create")
	c.do("n1", c.operation("remove", Delete, "k", ""))
	c.want("remove", Done)
	c.release(anything)
	c.pass(500 * time.Millisecond)
	if a := c.want("create", PreconditionFailed); a.Result.Sequence != 2 {
		t.Errorf("the condition failed on %d, want 2, on which it was judged", a.Result.Sequence)
	}
}

// A primary stands still and is deposed. What it has logged before was
// acknowledged, and the acknowledgements lie in its sockets when it goes on.
// Meanwhile the next primary serves, and the key has another value.
func TestADeposedPrimaryGivesNoVerdict(t *testing.T) { // W5, L3
	t.Parallel()
	c := uncommitted(t)
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.To == "n1" }
	old := c.m.Partitions[0].Epoch
	n1 := c.nodes["n1"]
	n1.down = true // without losing anything
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.pass(4 * time.Second)
	c.serve("n2")
	c.do("n2", c.operation("newer", Put, "k", "newer"))
	c.want("newer", Done)

	n1.down = false
	late := c.create("late")
	late.Epoch = old
	c.do("n1", late)
	c.wantOpen("late")
	c.release(func(d delivery) bool { return d.env.Message.Kind == Ack && d.env.Message.Epoch == old })
	if n := c.status("n1").Committed; n != 2 {
		t.Fatalf("n1 has committed %d, want 2: the acknowledgements are not the old ones", n)
	}
	if a, given := c.answers["late"]; given && a.Outcome == PreconditionFailed {
		t.Fatalf("n1 says that the key is at %d, and %d had replaced that before it was asked", a.Result.Sequence, c.answers["newer"].Result.Sequence)
	}
	c.configure(func(*partition.Configuration) {})
	c.settle()
	c.want("late", NotPrimary)
}

func TestAVerdictDoesNotOutliveItsEpoch(t *testing.T) { // W5, Q4
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(c *cluster)
	}{
		{"the primary goes on", func(c *cluster) { c.configure(func(*partition.Configuration) {}) }},
		{"another is primary meanwhile", func(c *cluster) {
			c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
			c.configure(func(conf *partition.Configuration) { conf.Primary = "n1" })
		}},
	} {
		for _, waits := range []string{"an entry", "the lease"} {
			t.Run(test.name+", it waits for "+waits, func(t *testing.T) {
				t.Parallel()
				c := withoutLease(t)
				c.do("n1", c.create("create"))
				if waits == "the lease" {
					c.release(acks)
					c.want("put", Done)
				}
				c.wantOpen("create")
				test.change(c)
				c.settle()
				a := c.want("create", NotPrimary)
				if a.Configuration == nil || a.Configuration.Epoch <= 1 {
					t.Errorf("it is refused with configuration %+v, want the newer one", a.Configuration)
				}
				c.release(anything)
				c.pass(3 * time.Second) // it is answered once
			})
		}
	}
}

func TestAVerdictEndsWithItsDeadline(t *testing.T) {
	t.Parallel()
	c := uncommitted(t)
	c.accept = false
	op := c.create("create")
	op.Deadline = c.now.Add(300 * time.Millisecond)
	c.do("n1", op)
	c.pass(350 * time.Millisecond)
	c.want("create", TimedOut) // never applied, unlike a write that is logged
}

func TestAReusedKeyIsRefusedUnderTheLease(t *testing.T) { // Q2, W5
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	keyed := func(tag string, fingerprint byte) Operation {
		op := c.operation(tag, Put, "k", tag)
		op.Idempotency = &entry.Idempotency{}
		op.Idempotency.ID[0], op.Idempotency.Fingerprint[0] = 1, fingerprint
		return op
	}
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.Message.Kind == Ack }
	c.do("n1", keyed("first", 1))
	c.do("n1", keyed("waits", 2))
	c.wantOpen("waits")
	c.release(anything)
	c.want("first", Done)
	c.want("waits", KeyReused)
	c.accept = false
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.Message.Kind == BeaconReply }
	c.pass(1100 * time.Millisecond)
	c.do("n1", keyed("leaseless", 2))
	c.wantOpen("leaseless")
	c.release(anything)
	c.pass(500 * time.Millisecond)
	c.want("leaseless", KeyReused)
}

// A replica that is fenced gives no verdict any more, and leaves no operation
// without an answer.
func TestAFencedReplicaGivesNoVerdict(t *testing.T) { // W5
	t.Parallel()
	c := withoutLease(t)
	c.do("n1", c.create("leaseless"))
	c.release(acks)
	c.want("put", Done)
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.Message.Kind == Ack }
	c.do("n1", c.operation("logged", Put, "k", "v2"))
	c.do("n1", c.create("judged"))
	for _, tag := range []string{"leaseless", "logged", "judged"} {
		c.wantOpen(tag)
	}
	c.nodes["n1"].g.Fence(c.now)
	c.settle()
	c.want("leaseless", NotPrimary)
	c.want("judged", NotPrimary)
	c.want("logged", Unknown)
}
