package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// The scenarios here are of rules that random schedules of the simulator meet
// too rarely to be sure of (scripts/simulate/table.go names them).

func TestNoTimeoutEndsAChange(t *testing.T) { // C1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.accept = false
	c.kill("n3")
	c.pass(2 * time.Second)
	r := c.nodes["n1"].g.replicas[0]
	first := r.change
	if first == nil {
		t.Fatal("nothing is asked for")
	}
	c.pass(10 * time.Second)
	if r.change != first {
		t.Fatal("the change was given up while it may still be accepted")
	}
}

// An old primary that hears nothing goes on claiming. Its claims must not make
// the promise to it last for ever.
func TestClaimsOfAnOldPrimaryAreNotHonoured(t *testing.T) { // L4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.nodes["n1"].mapless = true
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.To == "n1" }
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.pass(c.nodes["n2"].g.cfg.Timings.Promise + 100*time.Millisecond)
	if role := c.status("n2").Role; role < Comparing {
		t.Fatalf("n2 is %v: it still waits for the promise that it gave to n1", role)
	}
}

func TestAGrantEndsWithTheLease(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	c.hold = func(from partition.NodeID, e Envelope) bool { return from == "n3" && e.Message.Kind == BeaconReply }
	for range 30 {
		c.pass(25 * time.Millisecond)
		lease, grant := c.nodes["n1"].view.LeaseUntil, c.nodes["n2"].view.GrantUntil
		if c.nodes["n1"].view.Alone || lease == 0 {
			t.Fatal("n1 does not depend on n3")
		}
		if grant > lease {
			t.Fatalf("n2 may read for %v longer than its primary", grant.Sub(lease))
		}
	}
}

// The holder's clock may be slower than the primary's.
func TestAGrantIsOutLongerThanItsHolderCounts(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	r := c.nodes["n1"].g.replicas[0]
	granted := r.grant(r.member("n2"), 1<<40)
	if granted == 0 {
		t.Fatal("nothing is granted")
	}
	out, timings := r.grants["n2"].until.Sub(r.g.now), r.g.cfg.Timings
	if least := time.Duration(float64(granted) * float64(timings.Promise) / float64(timings.Lease)); out < least {
		t.Fatalf("a grant of %v is taken to be out for %v, want %v at least", granted, out, least)
	}
}

// A log is cut where it differs, never to what is known to be committed: what
// was acknowledged and not yet told to be committed would be gone.
func TestALogIsNotCutToWhatIsCommitted(t *testing.T) { // T2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.hold = func(from partition.NodeID, e Envelope) bool {
		return from == "n1" && e.Message.Kind == Append && len(e.Message.Entries) == 0 // nobody hears of the commit
	}
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
	before := c.status("n2")
	if before.Committed >= before.Last {
		t.Fatal("n2 knows of the commit")
	}
	c.kill("n1")
	c.configure(func(conf *partition.Configuration) {
		conf.Primary, conf.Replicas = "n3", conf.Replicas[1:]
	})
	if after := c.status("n2"); after.Last < before.Last {
		t.Fatalf("n2 cut its log from %d to %d", before.Last, after.Last)
	}
	c.pass(2 * time.Second)
	for _, id := range []partition.NodeID{"n2", "n3"} {
		if e := c.nodes[id].g.replicas[0].log.at(before.Last); e == nil || e.Kind != entry.Put {
			t.Errorf("%s has lost the value that was acknowledged", id)
		}
	}
}

func TestAGrantDoesNotCountFromItsArrival(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.To == "n2" && e.Message.Kind == BeaconMessage }
	c.pass(300 * time.Millisecond) // a beacon is on its way
	sent := c.now
	if len(c.held) == 0 {
		t.Fatal("no beacon")
	}
	c.accept = false
	c.pass(900 * time.Millisecond)
	c.nodes["n2"].g.Message(c.now, c.held[0].from, &c.held[0].env.Message)
	timings := c.nodes["n2"].g.cfg.Timings
	if until := c.nodes["n2"].view.GrantUntil; until > sent.Add(timings.Lease) {
		t.Fatalf("a beacon that was late by %v grants reads for %v more", c.now.Sub(sent), until.Sub(c.now))
	}
}

func TestAnOlderAnswerHandsNothingBack(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	r := c.nodes["n1"].g.replicas[0]
	was := r.grants["n2"]
	if was.until <= c.now {
		t.Fatal("no grant is out")
	}
	r.handedBack(c.nodes["n2"].self, was.beacon-1) // of a beacon before that which carried the grant
	r.handedBack(c.nodes["n2"].self, was.beacon)   // of that one itself
	if r.grants["n2"] != was {
		t.Fatal("the grant that is out is forgotten")
	}
	r.handedBack(c.nodes["n2"].self, was.beacon+1)
	if _, out := r.grants["n2"]; out {
		t.Fatal("the grant that came back still counts")
	}
}
