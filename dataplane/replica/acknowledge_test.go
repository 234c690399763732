package replica

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

// count counts the messages of a kind that nodes send from now on.
func (c *cluster) count(kind MessageKind) *int {
	n := new(int)
	c.hold = func(_ partition.NodeID, e Envelope) bool {
		if e.Message.Kind == kind {
			*n++
		}
		return false
	}
	return n
}

func TestEntriesAreAcknowledgedOnceWhenTheyAreOnDisk(t *testing.T) { // W2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.pass(time.Second)
	acks := c.count(Ack)
	c.nodes["n2"].stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	if *acks != 1 {
		t.Fatalf("%d acknowledgements, want one from n3 and none yet from n2", *acks)
	}
	c.nodes["n2"].stalled = false
	c.settle()
	c.want("put", Done)
	if *acks != 2 {
		t.Fatalf("%d acknowledgements of an entry on two disks", *acks)
	}
}

// A disk that is slow is not taken for a link that lost the entries.
func TestSlowDiskIsToldOfOnceATick(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.pass(time.Second)
	c.nodes["n2"].stalled = true
	c.do("n1", c.operation("put", Put, "k", "v"))
	acks := c.count(Ack)
	c.pass(100 * time.Millisecond)
	if *acks != 1 {
		t.Fatalf("%d acknowledgements from a node whose disk stalls, want 1 that says so", *acks)
	}
}

// News of a commit goes unanswered until the primary would send it again.
func TestNewsIsAnsweredBeforeItIsRepeated(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.pass(time.Second)
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
	acks := c.count(Ack)
	c.pass(100 * time.Millisecond)
	if *acks != 0 {
		t.Fatalf("%d acknowledgements of news at once", *acks)
	}
	for _, id := range []partition.NodeID{"n2", "n3"} {
		if s := c.status(id); s.Committed != 2 {
			t.Fatalf("%s knows of %d committed entries, want 2", id, s.Committed)
		}
	}
	appends := c.count(Append)
	c.pass(time.Second)
	if *appends != 0 {
		t.Fatalf("the news was sent again %d times", *appends)
	}
}

// Who is asked where the logs agree answers at once: until then no more is sent.
func TestFirstAcknowledgementAfterAProbeIsNotPutOff(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.pass(time.Second)
	r := c.nodes["n2"].g.replicas[0]
	from := c.nodes["n1"].self
	last := r.log.last()
	beyond := entry.Position{Sequence: last.Sequence + 1, Epoch: last.Epoch}
	for name, message := range map[string]*Message{
		"probe":  {Kind: Probe, Epoch: r.conf.Epoch},
		"reject": {Kind: Append, Epoch: r.conf.Epoch, Previous: beyond},
	} {
		c.nodes["n2"].g.Message(c.now, from, message)
		c.nodes["n2"].g.Message(c.now, from, &Message{Kind: Append, Epoch: r.conf.Epoch, Previous: last})
		c.nodes["n2"].g.Drain(&c.nodes["n2"].out)
		acks := 0
		for _, e := range c.nodes["n2"].out.Messages {
			if e.Message.Kind == Ack {
				acks++
			}
		}
		if acks != 1 {
			t.Errorf("after a %s: %d acknowledgements", name, acks)
		}
	}
}

// News of a commit is lost, and an acknowledgement that was sent before comes after
// it: nothing is outstanding then, and the member still does not know. Nobody writes
// (simulator seed 1795787433588960535).
func TestNewsThatIsLostComesAgain(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.pass(time.Second)
	c.hold = func(_ partition.NodeID, e Envelope) bool {
		return e.To == "n3" && e.Message.Kind == Append && len(e.Message.Entries) == 0
	}
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
	for range 40 {
		c.pass(25 * time.Millisecond)
		if len(c.held) > 0 {
			break
		}
	}
	if len(c.held) == 0 {
		t.Fatal("no news was sent")
	}
	c.hold, c.held = nil, nil
	n1, n3 := c.status("n1"), c.nodes["n3"]
	c.nodes["n1"].g.Message(c.now, n3.self, &Message{
		Kind: Ack, Epoch: n1.Epoch, Last: entry.Position{Sequence: n1.Last, Epoch: n1.Epoch}, Committed: n1.Committed - 1,
	})
	c.settle()
	c.pass(2 * time.Second)
	if got := c.status("n3").Committed; got != n1.Committed {
		t.Errorf("n3 knows of %d committed entries of %d", got, n1.Committed)
	}
}
