package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func TestTakeOverWaitsForPromises(t *testing.T) { // L2, L4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.kill("n1")
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2"; conf.Replicas = conf.Replicas[1:] })
	c.pass(time.Second)
	if role := c.status("n2").Role; role != Waiting {
		t.Fatalf("role %v while its promise runs", role)
	}
	c.pass(300 * time.Millisecond)
	c.serve("n2")
}

func TestReleaseEndsTheWait(t *testing.T) { // L4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.settle()
	if c.nodes["n1"].view.Serving {
		t.Fatal("the old primary still serves")
	}
	if !c.status("n2").Serving {
		t.Fatalf("released, and does not serve: %v", c.status("n2").Role)
	}
}

func TestReleaseVoidsOnlyItsSendersPromise(t *testing.T) { // L4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	r := c.nodes["n3"].g.replicas[0]
	r.promise(c.nodes["n2"].self, time.Second)
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n3" })
	c.settle()
	if role := c.status("n3").Role; role != Waiting {
		t.Fatalf("role %v, but n2 holds a promise", role)
	}
}

func TestReleaseOfAnotherEpochDoesNotCount(t *testing.T) { // L4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.hold = func(_ partition.NodeID, e Envelope) bool { return e.Message.Kind == Release }
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.settle()
	c.configure(func(*partition.Configuration) {})
	c.hold = nil
	held := c.held[0]
	c.nodes["n1"].down = true
	c.deliver(held)
	c.settle()
	if role := c.status("n2").Role; role != Waiting {
		t.Fatalf("role %v after a release of an earlier epoch", role)
	}
}

func TestBootWait(t *testing.T) { // L5
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.kill("n1")
	c.restart("n1")
	c.pass(1200 * time.Millisecond)
	if role := c.status("n1").Role; role != Waiting {
		t.Fatalf("role %v within the boot wait", role)
	}
	c.pass(100 * time.Millisecond)
	c.serve("n1")
}

func TestNewerEndIsFetched(t *testing.T) { // T1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	// The new primary lacks what another has: say, a damaged tail.
	c.hold = func(from partition.NodeID, e Envelope) bool { return e.To == "n2" && e.Message.Kind == Append }
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.kill("n1")
	c.hold = nil
	if a, b := c.status("n2").Last, c.status("n3").Last; a >= b {
		t.Fatalf("n2 ends at %d, n3 at %d", a, b)
	}
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2"; conf.Replicas = conf.Replicas[1:] })
	c.pass(1300 * time.Millisecond)
	c.serve("n2")
	c.do("n2", c.operation("get", Get, "k", ""))
	c.want("get", Found)
}

func TestOnlyWhatDiffersIsDropped(t *testing.T) { // T2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("a", Put, "a", "1"))
	// n3 takes an entry that the new primary never sees, beyond what agrees.
	c.hold = func(from partition.NodeID, e Envelope) bool { return e.To == "n2" && from == "n1" }
	c.do("n1", c.operation("b", Put, "b", "1"))
	c.hold = nil
	written := len(c.nodes["n3"].disk)
	c.cut[[2]partition.NodeID{"n2", "n3"}] = true // so that n2 cannot fetch it
	c.cut[[2]partition.NodeID{"n3", "n2"}] = true
	c.kill("n1")
	c.configure(func(conf *partition.Configuration) {
		conf.Primary = "n2"
		conf.Replicas = conf.Replicas[1:2]
	})
	c.pass(1300 * time.Millisecond)
	clear(c.cut)
	c.pass(2 * time.Second)
	c.serve("n2")
	log := c.nodes["n3"].g.replicas[0].log
	for s := uint64(1); s <= 2; s++ {
		if log.at(s).Epoch != 1 {
			t.Fatalf("entry %d has epoch %d", s, log.at(s).Epoch)
		}
	}
	if log.at(3).Kind != entry.Marker {
		t.Fatalf("entry 3 is %v, want the new primary's marker", log.at(3).Kind)
	}
	for _, rec := range c.nodes["n3"].disk[written:] {
		if rec.Entry != nil && rec.Entry.Sequence <= 2 {
			t.Fatalf("entry %d was written again", rec.Entry.Sequence)
		}
	}
}

func TestUntilTheMarkerOnlyCleanKeysAreRead(t *testing.T) { // T3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("clean", Put, "clean", "1"))
	c.pass(300 * time.Millisecond)
	c.nodes["n3"].stalled = true
	c.do("n1", c.operation("open", Put, "open", "1"))
	c.kill("n1")
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2"; conf.Replicas = conf.Replicas[1:] })
	c.nodes["n3"].stalled = false
	c.settle()
	c.nodes["n3"].stalled = true
	c.hold = func(from partition.NodeID, e Envelope) bool { return from == "n3" && e.Message.Kind == Ack }
	c.pass(1300 * time.Millisecond)
	if role := c.status("n2").Role; role != Committing {
		t.Fatalf("role %v", role)
	}
	c.do("n2", c.operation("get clean", Get, "clean", ""))
	c.do("n2", c.operation("get open", Get, "open", ""))
	c.want("get clean", Found)
	c.wantOpen("get open")
	c.hold = nil
	c.nodes["n3"].stalled = false
	c.pass(600 * time.Millisecond)
	c.want("get open", Found)
}

func TestEpochChangeWithTheSamePrimaryGoesOn(t *testing.T) { // C6
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	last := c.status("n1").Last
	c.configure(func(*partition.Configuration) {})
	c.settle()
	if s := c.status("n1"); !s.Serving || s.Last != last {
		t.Fatalf("%+v", s)
	}
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
}

func TestSkippedEpochIsATakeOver(t *testing.T) { // C6, where it must not apply
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	last := c.status("n1").Last
	n := c.nodes["n1"]
	n.mapless = true
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n1" })
	n.mapless = false
	n.g.SetMap(c.now, c.m)
	c.pass(1300 * time.Millisecond)
	c.serve("n1")
	if s := c.status("n1"); s.Last != last+1 {
		t.Fatalf("log ends at %d, want a marker after %d", s.Last, last)
	}
}

func TestReadsNeedLeasesFromAllInSync(t *testing.T) { // L3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.accept = false
	c.cut[[2]partition.NodeID{"n3", "n1"}] = true
	c.pass(1100 * time.Millisecond)
	if v := c.nodes["n1"].view; v.MayRead(c.now) {
		t.Fatal("may read without n3's lease")
	}
	clear(c.cut)
	c.pass(300 * time.Millisecond)
	if v := c.nodes["n1"].view; !v.MayRead(c.now) {
		t.Fatal("may not read with every lease")
	}
}

func TestLeaseCountsFromWhenTheBeaconWasSent(t *testing.T) { // L3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.hold = func(from partition.NodeID, e Envelope) bool { return from == "n3" && e.Message.Kind == BeaconReply }
	c.accept = false
	c.pass(900 * time.Millisecond)
	c.hold = nil
	for _, d := range c.held {
		c.deliver(d)
	}
	v := c.nodes["n1"].view
	if limit := c.now.Add(time.Second); v.LeaseUntil >= limit {
		t.Fatalf("lease until %d, want before %d", v.LeaseUntil, limit)
	}
}

func TestLateReplyFromAnEarlierOfficeDoesNotCount(t *testing.T) { // L3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.hold = func(from partition.NodeID, e Envelope) bool { return from == "n3" && e.Message.Kind == BeaconReply }
	c.pass(300 * time.Millisecond)
	early := c.held
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.settle()
	c.now = c.now.Add(time.Millisecond)
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n1" })
	c.settle()
	r := c.nodes["n1"].g.replicas[0]
	if len(early) == 0 || r.role < Comparing {
		t.Fatalf("%d replies held, n1 is %v", len(early), r.role)
	}
	for _, d := range early {
		c.deliver(d)
	}
	if m := r.member("n3"); m.lease != 0 {
		t.Fatal("the answer to a beacon of an earlier office gives a lease")
	}
}

func TestSettleExpiresALeasedAnswer(t *testing.T) { // L3, W5
	t.Parallel()
	a := Answer{Outcome: Found, Leased: true, LeaseUntil: 10}
	if got := a.Settle(9).Outcome; got != Found {
		t.Fatalf("before the end: %v", got)
	}
	if got := a.Settle(10).Outcome; got != Expired {
		t.Fatalf("at the end: %v", got)
	}
}

// The coordinators are restored from a backup: the map is behind what this
// replica has adopted, and the partition waits for the operator.
func TestALowerEpochThanTheOneOnDiskIsNotAdopted(t *testing.T) { // W4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	old := c.m
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[1:] })
	c.serve("n2")
	for _, n := range c.sorted() {
		n.down = true
	}
	restored := *old
	restored.Version = c.m.Version + 1
	c.m = &restored
	for _, n := range c.sorted() {
		n.boot(0)
	}
	c.pass(3 * time.Second)
	for _, n := range c.sorted() {
		if s, ok := n.g.Status(0); ok {
			t.Fatalf("%s acts in epoch %d, as %v, and has adopted %d", n.self.Node, s.Epoch, s.Role, n.g.replicas[0].adopted)
		}
	}
}

// The coordinators went back to an old map, and this node has said what it has
// adopted: what it then hears of from others, the recovered map does not know.
func TestNothingIsAdoptedAfterTheReportBeforeTheNextMap(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	n := c.nodes["n2"]
	n.g.Seal(c.m.Version + 1)
	later := c.m.Partitions[0]
	later.Epoch, later.Replicas = later.Epoch+1, later.Replicas[:2]
	n.g.Message(c.now, c.nodes["n1"].self, &Message{Kind: Probe, Epoch: later.Epoch, Configuration: &later})
	old := *c.m // published before the report, and not delivered yet
	old.Version++
	old.Partitions = []partition.Configuration{later}
	n.g.SetMap(c.now, &old)
	if s, _ := n.g.Status(0); s.Epoch >= later.Epoch {
		t.Errorf("it has adopted epoch %d", s.Epoch)
	}
	next := *c.m
	next.Version += 2
	n.g.SetMap(c.now, &next)
	n.g.Message(c.now, c.nodes["n1"].self, &Message{Kind: Probe, Epoch: later.Epoch, Configuration: &later})
	if s, _ := n.g.Status(0); s.Epoch != later.Epoch {
		t.Errorf("after the next map it is in epoch %d", s.Epoch)
	}
}

// A node answers a beacon of an earlier boot, and the answer arrives at the
// next, which has sent one of the same number meanwhile.
func TestAReplyToAnEarlierBootsBeaconDoesNotCount(t *testing.T) { // L3
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.hold = func(from partition.NodeID, e Envelope) bool { return from == "n3" && e.Message.Kind == BeaconReply }
	c.pass(2 * time.Second)
	early := c.held
	c.kill("n1")
	c.restart("n1")
	for range 200 {
		if c.status("n1").Role >= Comparing {
			break
		}
		c.pass(25 * time.Millisecond)
	}
	c.pass(300 * time.Millisecond)
	for _, d := range early {
		c.deliver(d)
	}
	if m := c.nodes["n1"].g.replicas[0].member("n3"); m.lease != 0 {
		t.Fatal("the answer to an earlier boot's beacon gives a lease")
	}
}

// Timings are settings: a lease of seconds must be promised in full.
func TestALongLeaseIsPromisedInFull(t *testing.T) { // L2
	t.Parallel()
	c := newCluster(t, 3)
	timings := DefaultTimings()
	timings.Lease, timings.Promise = 20*time.Second, 25*time.Second
	g := NewGroup(Config{
		Self: c.nodes["n2"].self, MinInSync: 2, ReplicationFactor: 3, Timings: timings, Booted: c.now,
		Open: func(partition.ID, uint32) State { return newTestState() },
	})
	g.SetMap(c.now, c.m)
	for id, lease := range []time.Duration{20 * time.Second, time.Second + 1, 21 * time.Second} {
		g.replicas[0].promises = nil
		g.Message(c.now, c.nodes["n1"].self, &Message{Kind: BeaconMessage, Beacon: &Beacon{
			ID: uint64(id), Lease: lease, Claims: []Claim{{Epoch: 1}},
		}})
		var got time.Duration
		for _, p := range g.replicas[0].promises {
			got = p.until.Sub(c.now)
		}
		want := time.Duration(0) // longer than this node's own: not promised
		if lease <= timings.Lease {
			want = (lease*5 + 3) / 4
		}
		if got != want {
			t.Errorf("a lease of %v is promised for %v, want %v", lease, got, want)
		}
	}
}
