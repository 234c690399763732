package replica

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// A start at another address answers only for itself: the earlier process may be
// alive, and reads under its grant until that has run out.
func TestGrantsOfAnEarlierStartElsewhereBind(t *testing.T) { // L6, C3
	t.Parallel()
	c := granting(t, 3)
	until := c.nodes["n1"].g.replicas[0].grants["n3"].until
	c.kill("n3")
	c.restartElsewhere("n3")
	c.pass(100 * time.Millisecond)
	if m := c.nodes["n1"].g.replicas[0].member("n3"); !m.told || m.session != c.nodes["n3"].self.Start {
		t.Fatalf("n1 has not heard of the new start in this epoch: %+v", m)
	}
	c.do("n1", c.operation("put", Put, "k", "w"))
	c.pass(until.Sub(c.now) - 50*time.Millisecond)
	c.wantOpen("put")
	c.pass(100 * time.Millisecond)
	c.want("put", Done)
}

// At its own address the earlier process has ended, and so have its grants.
func TestGrantsOfAnEarlierStartAtTheAddressAreOver(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	until := c.nodes["n1"].g.replicas[0].grants["n3"].until
	c.kill("n3")
	c.restart("n3")
	c.pass(100 * time.Millisecond)
	c.do("n1", c.operation("put", Put, "k", "w"))
	c.want("put", Done)
	if c.now >= until {
		t.Fatal("the grant would have run out anyway")
	}
}

// What the earlier start was granted bars commits also after the new one has been
// brought up to date, and the new one gets no grant that would hide it.
func TestGrantsOfAnEarlierStartBindAfterItsReturn(t *testing.T) { // L6, L7
	t.Parallel()
	c := granting(t, 3)
	r := c.nodes["n1"].g.replicas[0]
	c.kill("n3")
	c.restartElsewhere("n3")
	until := c.now.Add(10 * time.Second)
	g := r.grants["n3"]
	g.until = until // longer than any grant lasts, so that the return comes before its end
	r.grants["n3"] = g
	r.bar()
	conf := func(conf *partition.Configuration) {
		conf.Replicas = append(conf.Replicas, conf.Learners...)
		conf.Learners = nil
	}
	c.configure(conf)
	c.pass(2 * time.Second)
	c.do("n1", c.operation("put", Put, "k", "w"))
	c.pass(time.Second)
	c.wantOpen("put")
	if r.grants["n3"].to != g.to {
		t.Error("a grant to the new start has taken the place of the earlier one's")
	}
	c.pass(until.Sub(c.now) + 100*time.Millisecond)
	c.want("put", Done)
}

// A lease that an earlier start gave holds against a successor only where the
// promise behind it does.
func TestALeaseOfAnEarlierStartElsewhereDoesNotCount(t *testing.T) { // L3, L5
	t.Parallel()
	c := granting(t, 3)
	c.kill("n3")
	c.hold = func(from partition.NodeID, e Envelope) bool {
		return from == "n3" && e.Message.Kind == BeaconReply
	}
	c.restartElsewhere("n3")
	if m := c.nodes["n1"].g.replicas[0].member("n3"); m.lease > c.now {
		t.Errorf("n1 holds a lease of the start that it has not heard a promise of, for %v", m.lease.Sub(c.now))
	}
}

// Two starts on copies of one directory may have one counter: neither speaks for
// the other.
func TestAnotherStartWithTheSameCounterIsNotHeard(t *testing.T) { // W2, L3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.nodes["n2"].stalled, c.nodes["n3"].stalled = true, true
	c.do("n1", c.operation("put", Put, "k", "v"))
	r := c.nodes["n1"].g.replicas[0]
	for _, id := range []partition.NodeID{"n2", "n3"} {
		twin := c.nodes[id].self
		twin.Start.ID++
		c.nodes["n1"].g.Message(c.now, twin, &Message{Kind: Ack, Epoch: r.conf.Epoch, Last: r.log.last()})
	}
	c.settle()
	c.wantOpen("put")
}

func TestAReleaseOfAnotherStartVoidsNothing(t *testing.T) { // L4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	r := c.nodes["n3"].g.replicas[0]
	earlier := c.nodes["n2"].self
	earlier.Start.Incarnation--
	r.promise(earlier, time.Second)
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n3" })
	c.nodes["n3"].g.Message(c.now, c.nodes["n2"].self, &Message{Kind: Release, Epoch: r.conf.Epoch})
	c.settle()
	if role := c.status("n3").Role; role != Waiting {
		t.Fatalf("role %v, but an earlier start of n2 holds a promise", role)
	}
}

// The coordinators and a node's directory went back. The others run on, and know
// later starts of the node than the recovered map names: of a history that is gone.
func TestTheRecoveredMapsStartsTakeThePlaceOfLaterOnes(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	for range 3 {
		c.kill("n3")
		c.restart("n3")
		c.pass(2 * time.Second)
	}
	n := c.nodes["n3"]
	c.kill("n3")
	c.nodes["n1"].g.Seal(c.m.Version) // they have reported
	c.nodes["n2"].g.Seal(c.m.Version)
	n.self.Start.Incarnation = 0 // restart makes it 1
	c.m.Version += 1 << 20
	c.restart("n3")
	c.pass(2 * time.Second)
	for _, id := range []partition.NodeID{"n1", "n2"} {
		if got := c.nodes[id].g.sessions["n3"].Start; got != n.self.Start {
			t.Errorf("%s takes n3's messages from start %v, it is %v", id, got, n.self.Start)
		}
	}
	if !c.m.Partitions[0].InSync("n3") {
		t.Errorf("n3 is not in sync: %+v", c.m.Partitions[0])
	}
}

// A learner's lease may come before anything else is heard of it. A start at another
// address makes no in-sync replica a learner then, and has promised nothing.
func TestALeaseOfALearnersEarlierStartDoesNotCount(t *testing.T) { // L3, L5
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.configure(func(conf *partition.Configuration) {
		conf.Replicas = slices.DeleteFunc(conf.Replicas, func(r partition.Replica) bool { return r.Node == "n3" })
	})
	c.hold = func(from partition.NodeID, e Envelope) bool {
		return from == "n3" && e.Message.Kind != BeaconReply
	}
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.pass(2 * time.Second)
	c.serve("n2")
	r := c.nodes["n2"].g.replicas[0]
	if m := r.member("n3"); m.inSync || !m.session.IsZero() || m.lease <= c.now {
		t.Fatalf("n2 has no lease of a learner that it has not heard otherwise: %+v", m)
	}
	c.kill("n3")
	c.hold = func(from partition.NodeID, _ Envelope) bool { return from == "n3" }
	c.restartElsewhere("n3")
	if m := r.member("n3"); m.lease > c.now {
		t.Errorf("n2 holds a lease of the start that it has not heard a promise of, for %v", m.lease.Sub(c.now))
	}
}
