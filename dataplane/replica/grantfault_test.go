package replica

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// A removed secondary with a slow disk hands its grant back in a beacon's answer: commits go on.
func TestAGrantThatCameBackKeepsNobodyWaiting(t *testing.T) { // C3, L6
	t.Parallel()
	c := granting(t, 3)
	c.nodes["n3"].stalled = true // slow disk: its acknowledgement in the new epoch does not come
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	began := c.now
	r := c.nodes["n1"].g.replicas[0]
	c.do("n1", c.operation("put", Put, "k", "v"))
	back := Time(0)
	for c.now < began.Add(3*time.Second) {
		if _, out := r.grants["n3"]; !out && back == 0 {
			back = c.now
			t.Logf("grant forgotten after %v, barred for %v more", c.now.Sub(began), r.barred.Sub(c.now))
		}
		if _, ok := c.answers["put"]; ok {
			break
		}
		c.pass(25 * time.Millisecond)
	}
	if c.now.Sub(back) > 100*time.Millisecond {
		t.Fatalf("grant back after %v, commits only after %v", back.Sub(began), c.now.Sub(began))
	}
}

// The same, disk fine, but the beacon's answer is first.
func TestAGrantMayComeBackBeforeTheFirstWordOfAnEpoch(t *testing.T) { // C3, L6
	t.Parallel()
	c := granting(t, 3)
	c.accept = false
	c.hold = func(from partition.NodeID, e Envelope) bool {
		return from == "n3" && e.Message.Kind == Ack // late
	}
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	began := c.now
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.pass(300 * time.Millisecond)
	c.hold = nil
	for _, d := range c.held {
		c.deliver(d)
	}
	c.pass(50 * time.Millisecond)
	if _, ok := c.answers["put"]; !ok {
		r := c.nodes["n1"].g.replicas[0]
		t.Fatalf("barred for %v more, after %v, with grants %v", r.barred.Sub(c.now), c.now.Sub(began), r.grants)
	}
}

// A beacon comes twice, the second time after its answer was forgotten: grants do
// not count from then.
func TestADuplicateOfAForgottenBeaconDoesNotCountAnew(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	n1, n2 := c.nodes["n1"], c.nodes["n2"]
	id := n1.g.beacons.id
	conf := c.m.Partitions[0]
	beacon := func(id, answers uint64, grant time.Duration) {
		n2.g.Message(c.now, n1.self, &Message{Kind: BeaconMessage, Beacon: &Beacon{
			ID: id, Lease: time.Second, Answers: answers, Claims: []Claim{{Epoch: conf.Epoch, Grant: grant}},
		}})
	}
	x := id + 1
	beacon(x, 0, 0) // answered now
	sent := c.now
	for i := range uint64(sentKept) {
		c.now = c.now.Add(10 * time.Millisecond)
		beacon(x+1+i, 0, 0)
	}
	// n1 sends Y now: it has the answer to x only, and its lease until sent+1s.
	y, d := x+sentKept+1, sent.Add(time.Second).Sub(c.now)
	out := c.now.Add(n1.g.promiseFor(d))
	c.now = c.now.Add(2 * time.Second) // both late
	beacon(x, 0, 0)                    // duplicate
	beacon(y, x, d)
	if c.mayRead("n2") {
		t.Fatalf("grant for %v more, though for the primary it ran out %v ago", n2.view.GrantUntil.Sub(c.now), c.now.Sub(out))
	}
}

// grantingWithEntries has 20 entries more in every log.
func grantingWithEntries(t *testing.T) *cluster {
	t.Helper()
	c := granting(t, 3)
	for i := range 20 {
		c.do("n1", c.operation(fmt.Sprint("w", i), Put, fmt.Sprint("k", i), "v"))
	}
	c.pass(100 * time.Millisecond)
	return c
}

// A secondary whose log lost its tail has the marker, and not all that is committed:
// what it lacks would look clean.
func TestAGrantNeedsEverythingCommitted(t *testing.T) { // L6, T1
	t.Parallel()
	c := grantingWithEntries(t)
	r := c.nodes["n1"].g.replicas[0]
	c.kill("n3")
	n3 := c.nodes["n3"]
	n3.disk = n3.disk[:len(n3.disk)-10]                     // damaged tail
	c.hold = func(from partition.NodeID, e Envelope) bool { // entries are slow to come: only the comparison gets through
		return from == "n1" && e.To == "n3" && e.Message.Kind == Append && len(e.Message.Entries) > 0
	}
	c.restart("n3")
	for range 40 {
		c.pass(25 * time.Millisecond)
		m := r.member("n3")
		last := n3.g.replicas[0].log.last().Sequence
		if c.mayRead("n3") && m.inSync && last < r.committed && n3.view.Unapplied.Clean([]byte("k19")) {
			t.Fatalf("n3 reads k19 as clean, with a log up to %d of %d committed (match %d, marker %d)", last, r.committed, m.match, r.marker)
		}
	}
}

// The beacon of a new epoch goes out once the adoption is on disk, not a period later.
func TestAPrimaryThatGoesOnClaimsAtOnce(t *testing.T) { // C6, L1
	t.Parallel()
	c := granting(t, 3)
	n := 0
	c.hold = func(from partition.NodeID, e Envelope) bool {
		if from == "n1" && e.To == "n2" && e.Message.Kind == BeaconMessage {
			n++
			t.Logf("beacon with %d claims", len(e.Message.Beacon.Claims))
		}
		return false
	}
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	c.settle()
	if n == 0 {
		t.Fatal("no beacon claims the partition in the new epoch")
	}
}

// The operator recovers an eligible copy; it adds a replica and is superseded before
// grants that it cannot know of have run out, and its successor must wait for them too.
func TestGrantsThatNobodyKnowsOutliveTheOffice(t *testing.T) { // L4, L6
	t.Parallel()
	c := granting(t, 4)
	c.accept = false
	set := func(primary partition.NodeID, replicas, learners []partition.NodeID) {
		list := func(ids []partition.NodeID) (out []partition.Replica) {
			for _, id := range ids {
				out = append(out, partition.Replica{Node: id, Store: c.nodes[id].self.Store})
			}
			return out
		}
		m := *c.m
		m.Version++
		conf := m.Partitions[0]
		conf.Epoch++
		conf.Primary, conf.Replicas, conf.Learners = primary, list(replicas), list(learners)
		m.Partitions = []partition.Configuration{conf}
		c.m = &m
		for _, n := range c.sorted() {
			if !n.down && !n.mapless {
				n.g.SetMap(c.now, c.m)
			}
		}
	}
	type ids = []partition.NodeID
	// n2 is out of sync, and eligible (min-in-sync 3, say); n4 learns. n2's promise to n1 runs out.
	c.cut[[2]partition.NodeID{"n2", "n1"}], c.cut[[2]partition.NodeID{"n1", "n2"}] = true, true
	c.cut[[2]partition.NodeID{"n4", "n1"}], c.cut[[2]partition.NodeID{"n1", "n4"}] = true, true
	set("n1", ids{"n1", "n3"}, ids{"n2", "n4"})
	c.pass(1500 * time.Millisecond)
	for c.nodes["n3"].view.GrantUntil.Sub(c.now) < 500*time.Millisecond {
		c.pass(25 * time.Millisecond)
	}
	c.kill("n1")
	c.alone("n3")
	for _, id := range (ids{"n2", "n4"}) {
		c.nodes[id].g.cfg.MinInSync = 1
	}
	set("n2", ids{"n2"}, ids{"n3", "n4"}) // operator's recovery of the eligible copy
	r := c.nodes["n2"].g.replicas[0]
	for len(c.asked) == 0 || c.asked[len(c.asked)-1].Primary != "n2" {
		c.pass(25 * time.Millisecond)
	}
	t.Log("n2 asks for", c.asked[len(c.asked)-1].Replicas, "with unknown grants for", r.unknownUntil.Sub(c.now), "n3 may read:", c.mayRead("n3"))
	set("n2", ids{"n2", "n4"}, ids{"n3"})
	c.pass(25 * time.Millisecond)
	set("n4", ids{"n4"}, ids{"n2", "n3"}) // hand-over
	for range 80 {
		if c.status("n4").Serving {
			t.Log("n4 serves; n3's grant holds for", c.nodes["n3"].view.GrantUntil.Sub(c.now))
			t.Log(c.status("n4").Role, c.mayRead("n3"))
			c.do("n4", c.operation("put", Put, "k", "new"))
			if _, ok := c.answers["put"]; ok && c.mayRead("n3") && c.nodes["n3"].view.Unapplied.Clean([]byte("k")) {
				t.Fatal("n4 has acknowledged a write that n3 does not have, and n3 reads the key as clean")
			}
			return
		}
		c.pass(25 * time.Millisecond)
	}
	t.Fatal("n4 does not serve")
}

// A replica that waits for its promises skips an epoch: what it knew of grants is void.
func TestAnEpochSkippedWhileWaitingIsJudgedAnew(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 3)
	c.accept = false
	c.nodes["n2"].stalled = true // its adoption does not get to the disk: it waits
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.nodes["n2"].mapless = true
	c.alone("n2")
	c.configure(func(conf *partition.Configuration) {
		conf.Primary = "n1"
		conf.Replicas = append(conf.Replicas[:1:1], conf.Replicas[2])
	})
	c.pass(3 * time.Second) // n1 serves, grants n3
	t.Log(c.status("n1").Role, c.mayRead("n3"))
	c.nodes["n2"].mapless = false
	c.configure(func(conf *partition.Configuration) { // operator's recovery
		conf.Primary = "n2"
		conf.Replicas = []partition.Replica{{Node: "n2", Store: 102}}
	})
	r := c.nodes["n2"].g.replicas[0]
	if r.role != Waiting || r.unknownUntil <= c.now {
		t.Fatalf("epoch %d, %v: unknown grants are taken to last for %v", r.conf.Epoch, r.role, r.unknownUntil.Sub(c.now))
	}
}

// Another boot of a secondary gets no grant before its log has been compared.
func TestNoGrantGoesToABootThatWasNotCompared(t *testing.T) { // L6, W2
	t.Parallel()
	c := grantingWithEntries(t)
	r := c.nodes["n1"].g.replicas[0]
	c.kill("n3")
	// n1 hears of the new epoch from n2 only; no word of n3's but beacons arrives.
	c.nodes["n1"].mapless = true
	c.hold = func(from partition.NodeID, e Envelope) bool {
		data := e.Message.Kind != BeaconMessage && e.Message.Kind != BeaconReply
		return data && (from == "n3" || e.To == "n3") || from == "n3" && e.To == "n1" && c.m.Partitions[0].Epoch != r.conf.Epoch
	}
	n3 := c.nodes["n3"]
	n3.disk = n3.disk[:len(n3.disk)-10]
	c.accept = false
	c.restart("n3")
	op := c.operation("more", Put, "k0", "x")
	op.Epoch = 1
	c.do("n1", op)
	for range 40 {
		c.pass(25 * time.Millisecond)
		m := r.member("n3")
		if c.mayRead("n3") {
			t.Fatalf("grant to boot 2 in epoch %d; n1 knows boot %d of it, log up to %d of %d committed", r.conf.Epoch, m.session, n3.g.replicas[0].log.last().Sequence, r.committed)
		}
	}
}

// A node in the configuration and not yet in the map does not make up for one that
// does not count.
func TestEveryNodeOfTheMapMustCount(t *testing.T) { // L6
	t.Parallel()
	c := granting(t, 4)
	r := c.nodes["n1"].g.replicas[0]
	r.members = append(r.members, &member{node: "n5", inSync: true}) // n5 is not in the map yet; n4 is, and does not count
	if r.countsAll() {
		t.Fatal("counts all, though n4 is not waited for")
	}
}
