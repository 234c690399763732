package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// granting returns a cluster whose secondaries have read grants.
func granting(t *testing.T, n int) *cluster {
	t.Helper()
	c := newCluster(t, n)
	c.serve("n1")
	c.pass(600 * time.Millisecond)
	for _, id := range []partition.NodeID{"n2", "n3"} {
		if !c.nodes[id].view.MayReadClean(c.now) {
			t.Fatalf("%s has no grant: %+v", id, c.nodes[id].view)
		}
	}
	return c
}

func (c *cluster) mayRead(id partition.NodeID) bool { return c.nodes[id].view.MayReadClean(c.now) }

// alone cuts a node off from all others.
func (c *cluster) alone(id partition.NodeID) {
	for other := range c.nodes {
		c.cut[[2]partition.NodeID{id, other}], c.cut[[2]partition.NodeID{other, id}] = true, true
	}
	c.nodes[id].mapless = true
}

func TestAGrantCountsFromTheAnswerItsBeaconAnswers(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	answered := c.now // no answer of n2 is sent after this
	c.cut[[2]partition.NodeID{"n2", "n1"}] = true
	c.pass(250 * time.Millisecond)
	if got := c.nodes["n2"].view.GrantUntil; got > answered.Add(c.nodes["n2"].g.cfg.Timings.Lease) {
		t.Fatalf("a grant for %v after its last answer", got.Sub(answered))
	}
	c.accept = false
	c.pass(time.Second)
	if c.mayRead("n2") {
		t.Fatal("reads though nothing it says arrives")
	}
}

func TestTheFirstBeaconOfAPrimaryGrantsNothing(t *testing.T) { // L6
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	if c.mayRead("n2") {
		t.Fatal("a grant that answers nothing which this secondary sent")
	}
}

func TestWhatIsNotAppliedIsNotClean(t *testing.T) { // R1
	t.Parallel()
	c := granting(t, 3)
	clean := func() bool { return c.nodes["n2"].view.Unapplied.Clean([]byte("k")) }
	c.nodes["n3"].stalled = true // nothing commits
	c.nodes["n2"].stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	if clean() {
		t.Fatal("clean with an entry in the log, not yet synced")
	}
	c.nodes["n2"].stalled = false
	c.settle()
	if clean() || !c.nodes["n2"].view.Unapplied.Clean([]byte("another")) {
		t.Fatal("the acknowledged entry and no other is dirty")
	}
	c.nodes["n3"].stalled = false
	c.pass(100 * time.Millisecond)
	c.want("put", Done)
	if !clean() {
		t.Fatal("dirty though it is applied")
	}
}

func TestEntriesThatAreReplacedAreNotDirty(t *testing.T) { // R1, T2
	t.Parallel()
	c := granting(t, 3)
	c.nodes["n1"].stalled = true // so that it loses what the others drop
	c.alone("n2")
	c.do("n1", c.operation("put", Put, "k", "v"))
	r := c.nodes["n3"].g.replicas[0]
	if r.unapplied.Clean([]byte("k")) {
		t.Fatal("not dirty")
	}
	r.replaceFrom(r.log.last().Sequence)
	if !r.unapplied.Clean([]byte("k")) {
		t.Fatal("dirty though its entry is gone")
	}
}

func TestAHigherEpochVoidsAGrant(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	c.alone("n1")
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2"; conf.Replicas = conf.Replicas[1:] })
	if c.mayRead("n3") {
		t.Fatal("reads in an epoch whose primary has granted nothing")
	}
}

func TestNothingCommitsWhileARemovedReplicaMayRead(t *testing.T) { // C3, L6
	t.Parallel()
	c := granting(t, 3)
	c.alone("n3")
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	c.do("n1", c.operation("put", Put, "k", "v"))
	for c.mayRead("n3") {
		c.wantOpen("put")
		c.pass(25 * time.Millisecond)
	}
	c.wantOpen("put") // its clock may be slower
	c.pass(1250 * time.Millisecond)
	c.want("put", Done)
}

func TestAReplicaThatHeardOfItsRemovalIsNotWaitedFor(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	c.settle()
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
}

func TestNothingIsReleasedWhileGrantsAreOut(t *testing.T) { // L4, L6
	t.Parallel()
	c := granting(t, 3)
	c.alone("n3")
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2"; conf.Replicas = conf.Replicas[:2] })
	for c.mayRead("n3") {
		if c.status("n2").Role != Waiting {
			t.Fatal("takes over while n3 may read what the old primary wrote")
		}
		c.pass(25 * time.Millisecond)
	}
	c.serve("n2")
}

func TestASuccessorFromOutsideWaitsForGrantsItCannotKnow(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 4)
	c.alone("n3") // has a grant, and hears no more
	c.kill("n1")
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2"; conf.Replicas = conf.Replicas[1:2] })
	// An operator's recovery: n2 was not in sync in the epoch before.
	n2 := c.nodes["n2"]
	n2.g.replicas[0].stepDown()
	n2.g.replicas[0].becomeWaiting(nil)
	n2.g.cfg.MinInSync = 1
	for n2.g.replicas[0].role < Committing {
		c.pass(25 * time.Millisecond)
	}
	began := n2.g.replicas[0].since
	for c.status("n2").Role != Serving {
		c.pass(25 * time.Millisecond)
	}
	if c.now < began.Add(n2.g.cfg.Timings.Promise) {
		t.Fatalf("commits %v after it took office", c.now.Sub(began))
	}
}

func TestALearnerIsNotAddedWhileGrantsWithoutItsPromiseAreOut(t *testing.T) { // L7
	t.Parallel()
	c := granting(t, 3)
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	c.cut[[2]partition.NodeID{"n3", "n1"}] = true // its promise runs out
	c.pass(1500 * time.Millisecond)
	r := c.nodes["n1"].g.replicas[0]
	m := r.member("n3")
	if m.unpromised <= c.now {
		t.Fatal("n2's grant is not known to be without n3's promise")
	}
	m.phase, m.told, m.match, m.lease = following, true, r.log.last().Sequence, c.now.Add(time.Second)
	if len(r.ready()) > 0 {
		t.Fatal("ready though another's grant outlasts its promise")
	}
	m.unpromised = c.now
	if len(r.ready()) == 0 {
		t.Fatal("not ready though all such grants have run out")
	}
}

func TestALateBeaconGrantsNothing(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	late := false
	c.hold = func(_ partition.NodeID, e Envelope) bool {
		return e.To == "n2" && e.Message.Kind == BeaconMessage && !late
	}
	c.pass(300 * time.Millisecond)
	late = true
	c.nodes["n1"].g.leaving = true // from here on its beacons take grants back
	c.pass(300 * time.Millisecond)
	for _, d := range c.held {
		c.deliver(d)
	}
	if c.mayRead("n2") {
		t.Fatal("an older beacon gives what a newer one took back")
	}
	if end := c.nodes["n1"].g.replicas[0].grantsEnd(); end > c.now {
		t.Fatal("the grants have not come back to their primary")
	}
}

// A learner that has everything does not wait for grants to run out: they are
// taken back, in one round.
func TestALearnerIsAddedOnceGrantsAreBack(t *testing.T) { // L7
	t.Parallel()
	c := newCluster(t, 4)
	c.serve("n1")
	c.pass(3 * time.Second)
	if !c.mayRead("n2") {
		t.Fatal("n2 has no grant")
	}
	c.learn("n4")
	c.settle()
	c.pass(200 * time.Millisecond)
	if !c.m.Partitions[0].InSync("n4") {
		t.Fatal("n4 is not in sync after 200 ms")
	}
	c.pass(time.Second)
	if !c.mayRead("n2") || !c.mayRead("n4") {
		t.Error("no grants are given any more")
	}
}
