package replica

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// needsACopy is a cluster whose third node comes back with an empty disk: none of
// what the others have is in their logs any more.
func needsACopy(t *testing.T, alone bool) *cluster {
	t.Helper()
	c := withoutN3(t)
	g := c.nodes["n1"].g
	g.cfg.LogRetention, g.cfg.AwayRetention = 1, 1
	for i := range 20 {
		c.put(fmt.Sprint(i))
	}
	if alone {
		c.kill("n2")
		c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:1] })
	}
	g.Trim(0, g.replicas[0].applied)
	c.nodes["n3"].disk = nil
	c.restart("n3")
	return c
}

// put writes a key, and waits until that is done.
func (c *cluster) put(key string) {
	c.do("n1", c.operation(key, Put, key, "v"))
	c.want(key, Done)
}

// failing has every snapshot fail for so long. It returns how many were ordered, and
// the longest time from one to the next.
func (c *cluster) failing(d time.Duration) (orders int, longest time.Duration) {
	g, last := c.nodes["n1"].g, c.now
	for end := c.now.Add(d); c.now < end; {
		c.pass(25 * time.Millisecond)
		for _, o := range c.orders {
			orders++
			longest, last = max(longest, c.now.Sub(last)), c.now
			g.SnapshotBegins(c.now, o)
			g.SnapshotSent(c.now, o, errors.New("damaged"))
		}
		c.orders = nil
	}
	return orders, longest
}

// What cannot be sent is tried again later each time, until the connection is another.
func TestASnapshotThatFailsIsTriedLaterEachTime(t *testing.T) { // K1
	t.Parallel()
	c := needsACopy(t, false)
	g := c.nodes["n1"].g
	if orders, _ := c.failing(10 * time.Second); orders < 4 || orders > 8 {
		t.Errorf("%d attempts in 10 s", orders)
	}
	if orders, _ := c.failing(5 * time.Minute); orders < 8 || orders > 15 {
		t.Errorf("%d attempts in 5 min", orders)
	}
	g.Connection(c.now, "n3", false)
	g.Connection(c.now, "n3", true)
	if orders, _ := c.failing(time.Second); orders == 0 {
		t.Error("no attempt on another connection")
	}
}

// While nothing commits for want of replicas, a failed snapshot is tried again soon.
func TestASnapshotIsTriedAgainSoonWhereNothingCommits(t *testing.T) { // K1
	t.Parallel()
	c := needsACopy(t, true)
	if orders, longest := c.failing(2 * time.Minute); orders == 0 || longest > urgentPause+time.Second {
		t.Errorf("%d attempts, up to %v apart", orders, longest)
	}
}

// A snapshot may be in place although its sender did not hear so, and many may have
// failed before: the learner is asked soon, and goes on with what it has.
func TestASnapshotThatIsThereIsNotSentAgain(t *testing.T) { // K1
	t.Parallel()
	c := needsACopy(t, false)
	n1, n3 := c.nodes["n1"], c.nodes["n3"]
	failed, installed := 0, 0
	for end, key := c.now.Add(10*time.Minute), 100; c.now < end && !c.m.Partitions[0].InSync("n3"); key++ {
		c.pass(250 * time.Millisecond)
		c.put(fmt.Sprint(key))
		n1.g.Trim(0, n1.g.replicas[0].applied)
		for _, o := range c.orders {
			n1.g.SnapshotBegins(c.now, o)
			if failed++; failed > 7 {
				meta := SnapshotMeta{Epoch: o.Epoch, Lineage: 7, ID: o.ID, Applied: n1.state.applied}
				if !n3.g.BeginsSnapshot(meta) {
					t.Fatal("the learner does not want it")
				}
				n3.state = newTestState()
				n3.state.applied = meta.Applied
				n3.g.SnapshotInstalled(c.now, meta, n3.state)
				installed++
			}
			n1.g.SnapshotSent(c.now, o, errors.New("the answer was lost"))
		}
		c.orders = nil
	}
	if installed != 1 || !c.m.Partitions[0].InSync("n3") {
		t.Errorf("%d snapshots were installed; in sync: %v", installed, c.m.Partitions[0].InSync("n3"))
	}
}

// An old primary comes back with entries that nobody else has, beyond where the new
// one's log begins: it is first followed, and then rejects. That is no progress.
func TestASnapshotThatFailsIsTriedLaterWhereLogsDiffer(t *testing.T) { // K1
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.put("a")
	for _, to := range []partition.NodeID{"n2", "n3"} {
		c.cut[[2]partition.NodeID{"n1", to}] = true
	}
	for i := range 100 {
		key := fmt.Sprint("u", i)
		c.nodes["n1"].g.Operate(c.now, c.operation(key, Put, key, "v"))
		c.settle()
	}
	c.kill("n1")
	c.configure(func(conf *partition.Configuration) { conf.Primary, conf.Replicas = "n2", conf.Replicas[1:] })
	c.serve("n2")
	g := c.nodes["n2"].g
	g.cfg.LogRetention, g.cfg.AwayRetention = 1, 1
	for i := range 30 {
		key := fmt.Sprint("w", i)
		c.do("n2", c.operation(key, Put, key, "v"))
		c.want(key, Done)
	}
	g.Trim(0, g.replicas[0].applied)
	clear(c.cut)
	c.restart("n1")
	orders := 0
	for end := c.now.Add(5 * time.Minute); c.now < end; {
		c.pass(25 * time.Millisecond)
		for _, o := range c.orders {
			orders++
			g.SnapshotBegins(c.now, o)
			g.SnapshotSent(c.now, o, errors.New("damaged"))
		}
		c.orders = nil
	}
	if orders < 8 || orders > 18 {
		t.Errorf("%d attempts in 5 min", orders)
	}
}

// A member that the change in flight adds holds up every commit: its copy is urgent.
func TestACopyThatCommitsWaitForIsUrgent(t *testing.T) { // K1, C2
	t.Parallel()
	c := withoutN3(t)
	r := c.nodes["n1"].g.replicas[0]
	m := &member{node: "n3", failed: 20}
	if pause := r.orderPause(m); pause != snapshotPause {
		t.Errorf("a learner's copy waits for %v", pause)
	}
	r.change = &change{Change: partition.Change{Replicas: append(slices.Clone(r.conf.Replicas), partition.Replica{Node: "n3"})}}
	if pause := r.orderPause(m); pause != urgentPause {
		t.Errorf("one that commits wait for waits for %v", pause)
	}
}

// Progress ends the pauses: what failed was something else.
func TestProgressEndsThePauses(t *testing.T) { // K1
	t.Parallel()
	c := needsACopy(t, false)
	n1, n3 := c.nodes["n1"], c.nodes["n3"]
	c.failing(time.Minute)
	m := n1.g.replicas[0].member("n3")
	if m.failed < 5 {
		t.Fatalf("%d failures", m.failed)
	}
	for len(c.orders) == 0 {
		c.pass(25 * time.Millisecond)
	}
	meta := SnapshotMeta{Epoch: c.orders[0].Epoch, Lineage: 7, ID: c.orders[0].ID, Applied: n1.state.applied}
	n1.g.SnapshotBegins(c.now, c.orders[0])
	if !n3.g.BeginsSnapshot(meta) {
		t.Fatal("the learner does not want it")
	}
	n3.state = newTestState()
	n3.state.applied = meta.Applied
	n3.g.SnapshotInstalled(c.now, meta, n3.state)
	n1.g.SnapshotSent(c.now, c.orders[0], errors.New("the answer was lost"))
	c.put("more")
	c.pass(2 * time.Second)
	if m = n1.g.replicas[0].member("n3"); m.failed != 0 || !c.m.Partitions[0].InSync("n3") {
		t.Errorf("%d failures are remembered; in sync: %v", m.failed, c.m.Partitions[0].InSync("n3"))
	}
}
