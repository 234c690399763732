package replica

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// Who comes back gets what it missed without leave.
func TestARepairIsNotThrottled(t *testing.T) {
	t.Parallel()
	c := withoutN3(t)
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.accept = false
	c.nodes["n1"].g.Allow(c.now, 0)
	c.restart("n3")
	c.pass(time.Second)
	if m := c.nodes["n1"].g.replicas[0].member("n3"); m.match != c.status("n1").Last {
		t.Errorf("n3 has %d entries of %d", m.match, c.status("n1").Last)
	}
}

// A learner that moves here gets as much of what was there as is allowed, and in
// the end all of it; what is written meanwhile needs no leave. It is not forgotten
// for being slow.
func TestALearnerGetsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	n1 := c.nodes["n1"]
	c.serve("n1")
	c.kill("n3")
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	const missed = 40
	put := func(i int) {
		tag := fmt.Sprintf("put %d", i)
		c.do("n1", c.operation(tag, Put, tag, "a value of some bytes"))
		c.want(tag, Done)
	}
	for i := range missed {
		put(i)
	}
	for _, n := range c.nodes {
		n.g.cfg.MaxAppendBytes = 1 // an entry at a time
	}
	c.accept = false
	n1.g.Allow(c.now, 0)
	c.move(partition.Move{To: "n3"})
	c.restart("n3")
	c.pass(2 * learnerIdle)
	m := n1.g.replicas[0].member("n3")
	all := n1.g.Backlog()
	if m.phase != following || m.match > missed/2 || all == 0 {
		t.Fatalf("without leave: phase %d, %d entries acknowledged, %d bytes wait", m.phase, m.match, all)
	}
	held := c.status("n1").Base
	n1.g.Allow(c.now, all/2)
	c.pass(time.Second)
	// The entry that the leave ends in goes whole.
	if left := n1.g.Backlog(); left > all/2 || left < all/2-150 {
		t.Errorf("half of %d bytes are allowed, %d wait", all, left)
	}
	for i := range missed {
		put(missed + i)
	}
	n1.g.Allow(c.now, n1.g.Backlog())
	c.pass(time.Second)
	if last := c.status("n1").Last; m.match != last {
		t.Errorf("all that it missed is allowed; it has %d of %d", m.match, last)
	}
	if held != c.status("n1").Base {
		t.Errorf("the log was cut at %d meanwhile", c.status("n1").Base)
	}
	n1.g.Allow(c.now, -1)
	if got := n1.g.Backlog(); got != 0 {
		t.Errorf("%d bytes wait for nothing", got)
	}
}

// behind has n3 miss writes of those sizes, and move here without leave.
func behind(t *testing.T, sizes ...int) (*cluster, *member) {
	t.Helper()
	c := withoutN3(t)
	for i, size := range sizes {
		tag := fmt.Sprintf("put %d", i)
		c.do("n1", c.operation(tag, Put, tag, strings.Repeat("v", size)))
		c.want(tag, Done)
	}
	c.nodes["n1"].g.cfg.MaxAppendBytes = 1 // an entry at a time
	c.accept = false
	c.nodes["n1"].g.Allow(c.now, 0)
	c.move(partition.Move{To: "n3"})
	c.restart("n3")
	c.pass(time.Second)
	m := c.nodes["n1"].g.replicas[0].member("n3")
	if m.match == c.status("n1").Last {
		t.Fatal("n3 has everything without leave")
	}
	return c, m
}

// A move that is cancelled leaves a learner that needs no leave; nobody writes.
func TestALearnerWhoseMoveEndsWaitsForNoLeave(t *testing.T) {
	t.Parallel()
	c, m := behind(t, 10, 10, 10)
	c.move(partition.Move{})
	c.pass(time.Second)
	if last := c.status("n1").Last; m.match != last {
		t.Errorf("it has %d of %d", m.match, last)
	}
}

// A large entry goes far beyond what is allowed; what comes after it does not wait
// until its own few bytes have made up for that.
func TestWhatWentBeyondIsAskedFor(t *testing.T) {
	t.Parallel()
	c, m := behind(t, 10_000, 10)
	g := c.nodes["n1"].g
	ticks := 0
	for ; m.match < c.status("n1").Last && ticks < 100; ticks++ {
		g.Allow(c.now, min(g.Backlog(), 1000))
		c.pass(25 * time.Millisecond)
	}
	if ticks > 20 {
		t.Errorf("10,000 bytes took %d ticks of 1,000", ticks)
	}
}

// The data path to a learner breaks when it has got a part. That it is then not
// allowed more is not why it does not answer: it is given up, and its entries are
// not kept for ever.
func TestALearnerThatDoesNotAnswerIsGivenUpUnderAThrottle(t *testing.T) { // K1
	t.Parallel()
	sizes := make([]int, 60)
	for i := range sizes {
		sizes[i] = 1000
	}
	c, m := behind(t, sizes...)
	g := c.nodes["n1"].g
	allow := func() {
		g.Allow(c.now, min(g.Backlog(), 1000))
		c.pass(25 * time.Millisecond)
	}
	for range 10 {
		allow()
	}
	if m.match == 0 || m.match == c.status("n1").Last {
		t.Fatalf("it has %d of %d", m.match, c.status("n1").Last)
	}
	c.kill("n3")
	for began := c.now; m.phase == following; allow() {
		if c.now.Sub(began) > 3*learnerIdle {
			t.Fatalf("after %v it is still followed", c.now.Sub(began))
		}
	}
	if _, held := m.hold(c.now); held {
		t.Error("its entries are still kept")
	}
}

// One that answers is not given up, however long it has to wait for leave.
func TestALearnerThatWaitsForLeaveIsNotGivenUp(t *testing.T) {
	t.Parallel()
	c, m := behind(t, 1000, 1000, 1000, 1000)
	g := c.nodes["n1"].g
	for range 2 { // before it got anything, and after it got a part
		for range 4 * int(learnerIdle/(25*time.Millisecond)) {
			g.Backlog()
			c.pass(25 * time.Millisecond)
			if m.phase != following {
				t.Fatalf("given up, with %d of %d", m.match, c.status("n1").Last)
			}
		}
		g.Allow(c.now, 1500)
		c.pass(time.Second)
	}
}

// One whose log differs rejects what it is sent: it has answered, and has to wait
// for leave for what comes instead.
func TestALearnerThatRejectsIsNotGivenUp(t *testing.T) {
	t.Parallel()
	c, m := behind(t, 1000, 1000, 1000, 1000)
	g := c.nodes["n1"].g
	r := g.replicas[0]
	c.hold = func(from partition.NodeID, e Envelope) bool {
		return from == "n3" && (e.Message.Kind == Ack || e.Message.Kind == Reject)
	}
	m.match = 0
	m.sendFrom(3)
	for m.from > 1 {
		sent := m.from
		g.Backlog()
		g.Allow(c.now, 1-g.allowance.bytes) // one entry
		c.settle()
		g.Message(c.now, Peer{Node: "n3", Store: m.store, Start: m.session}, &Message{
			Kind: Reject, Epoch: r.conf.Epoch, Previous: entry.Position{Sequence: sent}, Last: entry.Position{Sequence: sent - 1, Epoch: 1},
		})
		if m.from == sent {
			t.Fatalf("after the rejection of %d it is sent the same again", sent)
		}
		for range 2 * int(learnerIdle/(25*time.Millisecond)) {
			g.Backlog()
			c.pass(25 * time.Millisecond)
			if m.phase != following {
				t.Fatalf("given up after it rejected %d", sent)
			}
		}
	}
}

// Where entries break the connection and small messages come through, a learner makes
// no progress, and is given up: with a throttle as without.
func TestALearnerThatGetsOnlySmallMessagesIsGivenUp(t *testing.T) { // K1
	t.Parallel()
	const tick = 25 * time.Millisecond
	for _, one := range []struct {
		name          string
		size, allowed int // bytes: of an entry, in a tick; allowed -1: no throttle
		breaks        int // that many ticks after an entry went out
	}{
		{"no throttle", 1000, -1, 1},
		{"little by little", 1000, 50, 1},
		{"8 MiB a second", 100_000, 210_000, 8},
	} {
		sizes := make([]int, 60)
		for i := range sizes {
			sizes[i] = one.size
		}
		c, m := behind(t, sizes...)
		g := c.nodes["n1"].g
		g.cfg.MaxAppendBytes = 2 * one.size
		breaks, probed := -1, c.now
		longest := time.Duration(0)
		c.hold = func(_ partition.NodeID, e Envelope) bool {
			if e.To == "n3" && e.Message.Kind == Probe {
				probed = c.now
			}
			lost := e.To == "n3" && len(e.Message.Entries) > 0
			if lost && breaks < 0 {
				breaks = one.breaks
			}
			return lost
		}
		for end := c.now.Add(2 * time.Minute); c.now < end; {
			c.pass(tick)
			c.held = nil
			if n := g.Backlog(); one.allowed < 0 {
				g.Allow(c.now, -1)
			} else if n > 0 {
				g.Allow(c.now, min(n, one.allowed))
			}
			if breaks--; breaks == 0 {
				g.Connection(c.now, "n3", false)
				g.Connection(c.now, "n3", true)
			}
			longest = max(longest, c.now.Sub(probed))
		}
		if longest > 2*learnerIdle {
			t.Errorf("%s: followed for %v without progress: %d acknowledged", one.name, longest, m.match)
		}
	}
}
