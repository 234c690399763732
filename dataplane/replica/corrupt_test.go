package replica

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func put(sequence uint64, epoch partition.Epoch) *entry.Entry {
	return &entry.Entry{Position: entry.Position{Sequence: sequence, Epoch: epoch}, Kind: entry.Put, Key: []byte("k"), Value: []byte("forged")}
}

// forge delivers a message that no node sent.
func (c *cluster) forge(from, to partition.NodeID, m Message) {
	c.t.Helper()
	m.Epoch = c.m.Partitions[0].Epoch
	c.deliver(delivery{c.nodes[from].self, Envelope{To: to, Message: m}})
	c.settle()
}

// Entries are in order, without gaps, or none of them is taken: what would be
// missing could never be noticed once it is applied.
func TestEntriesThatAreNotContiguousAreRefused(t *testing.T) { // W2
	t.Parallel()
	for _, test := range []struct {
		name     string
		previous entry.Position
		entries  []*entry.Entry
	}{
		{"a gap after the entry before", entry.Position{Sequence: 3, Epoch: 2}, []*entry.Entry{put(5, 2)}},
		{"a gap between them", entry.Position{Sequence: 3, Epoch: 2}, []*entry.Entry{put(4, 2), put(6, 2)}},
		{"a gap after those that are here", entry.Position{Sequence: 2, Epoch: 1}, []*entry.Entry{put(3, 2), put(5, 2)}},
		{"one twice", entry.Position{Sequence: 3, Epoch: 2}, []*entry.Entry{put(4, 2), put(4, 2)}},
		{"two exchanged", entry.Position{Sequence: 3, Epoch: 2}, []*entry.Entry{put(5, 2), put(4, 2)}},
		{"an epoch that falls", entry.Position{Sequence: 3, Epoch: 2}, []*entry.Entry{put(4, 2), put(5, 1)}},
		{"an epoch to come", entry.Position{Sequence: 3, Epoch: 2}, []*entry.Entry{put(4, 2), put(5, 3)}},
		{"one that is none", entry.Position{Sequence: 3, Epoch: 2}, []*entry.Entry{put(4, 2), nil}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 3)
			c.serve("n1")
			c.do("n1", c.operation("first", Put, "k", "v"))
			c.configure(func(*partition.Configuration) {})
			c.do("n1", c.operation("second", Put, "k", "w")) // sequence 3, epoch 2
			n2 := c.nodes["n2"]
			written, before := len(n2.disk), c.status("n2")
			c.hold = func(from partition.NodeID, _ Envelope) bool { return from == "n2" }
			c.forge("n1", "n2", Message{Kind: Append, Previous: test.previous, Entries: test.entries, Committed: 9})
			after := c.status("n2")
			if len(n2.disk) != written || after.Last != before.Last || after.Committed != before.Committed {
				t.Errorf("%d records were written, the log ends at %d and not at %d", len(n2.disk)-written, after.Last, before.Last)
			}
			if f := n2.found; len(f) != 1 || f[0].Kind != EntriesRefused || f[0].Sender != "n1" {
				t.Errorf("the driver is told %+v", f)
			}
			c.release(anything)
			c.do("n1", c.operation("third", Put, "k", "x"))
			c.want("third", Done) // replication goes on
		})
	}
}

// A new primary that fetches what it lacks takes no log with gaps either.
func TestFetchedEntriesThatAreNotContiguousAreRefused(t *testing.T) { // T1
	t.Parallel()
	c, n2 := fetching(t)
	last := c.status("n2").Last
	c.forge("n3", "n2", Message{
		Kind: FetchReply, Previous: n2.g.replicas[0].log.last(),
		Entries: []*entry.Entry{put(last+1, 2), put(last+3, 2)},
	})
	if got := c.status("n2").Last; got != last {
		t.Errorf("the log ends at %d, want %d", got, last)
	}
	if f := n2.found; len(f) != 1 || f[0].Kind != EntriesRefused || f[0].Sender != "n3" {
		t.Errorf("the driver is told %+v", f)
	}
}

// fetching has n2 take over, and n3 claim that it has entries which n2 lacks.
func fetching(t *testing.T) (*cluster, *testNode) {
	t.Helper()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.accept = false
	c.hold = func(from partition.NodeID, e Envelope) bool {
		return from == "n3" && e.Message.Kind != BeaconReply
	}
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	for range 200 {
		if c.status("n2").Role == Comparing {
			break
		}
		c.pass(25 * time.Millisecond)
	}
	c.forge("n3", "n2", Message{Kind: ProbeReply, Last: entry.Position{Sequence: 100, Epoch: 1}, First: 90})
	n2 := c.nodes["n2"]
	if r := n2.g.replicas[0]; r.fetching != "n3" {
		t.Fatalf("n2 is %v, and fetches from %q", r.role, r.fetching)
	}
	return c, n2
}

// A copy that turns out to be wrong is void. That is no secret: the driver hears
// why, and the status says so until another copy is in its place.
func TestACopyThatIsFoundCorruptIsReported(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		happen func(t *testing.T) (*cluster, *testNode)
	}{
		{"a committed entry would be replaced", func(t *testing.T) (*cluster, *testNode) {
			c := newCluster(t, 3)
			c.serve("n1")
			c.do("n1", c.operation("put", Put, "k", "v"))
			c.pass(time.Second) // n2 hears that it is committed
			c.configure(func(*partition.Configuration) {})
			c.settle()
			c.forge("n1", "n2", Message{Kind: Append, Previous: entry.Position{Sequence: 1, Epoch: 1}, Entries: []*entry.Entry{put(2, 2)}})
			return c, c.nodes["n2"]
		}},
		{"another has flushed what it lacks", func(t *testing.T) (*cluster, *testNode) {
			c, n2 := fetching(t)
			c.forge("n3", "n2", Message{Kind: FetchReply, Mismatch: true, First: 90})
			return c, n2
		}},
		{"its hash is not that of the others", func(t *testing.T) (*cluster, *testNode) {
			c := newCluster(t, 3)
			c.serve("n1")
			c.settle()
			c.forge("n1", "n2", Message{Kind: Expel, Last: entry.Position{Sequence: 1, Epoch: 1}})
			return c, c.nodes["n2"]
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, n := test.happen(t)
			if len(n.found) != 1 || n.found[0].Kind != Corrupt || n.found[0].Reason == "" {
				t.Fatalf("the driver is told %+v", n.found)
			}
			if s := c.status(n.self.Node); !s.Void || s.Corrupt != n.found[0].Reason {
				t.Errorf("the status says %q, void %v; the driver was told %q", s.Corrupt, s.Void, n.found[0].Reason)
			}
			if n.view.GrantUntil != 0 || n.view.Serving {
				t.Errorf("it may still read: %+v", n.view)
			}
		})
	}
}

// The primary asks for the removal of a secondary whose copy is corrupt, and says
// so; the snapshot that the learner gets makes the copy good again.
func TestACorruptSecondaryIsRemovedAndMadeAnew(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.settle()
	c.forge("n1", "n2", Message{Kind: Expel, Last: entry.Position{Sequence: 1, Epoch: 1}})
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.pass(1500 * time.Millisecond)
	c.want("put", Done)
	if !slices.ContainsFunc(c.asked, func(p partition.Change) bool { return strings.Contains(p.Reason, "has a corrupt copy: n2") }) {
		t.Errorf("the coordinators are asked for %+v", c.asked)
	}
	n2, at := c.nodes["n2"], entry.Position{Sequence: 2, Epoch: 1}
	meta := SnapshotMeta{Epoch: c.m.Partitions[0].Epoch, Lineage: 7, Applied: at}
	if !n2.g.BeginsSnapshot(meta) {
		t.Fatal("n2 wants no snapshot")
	}
	state := newTestState()
	state.applied = at
	n2.g.SnapshotInstalled(c.now, meta, state)
	if s := c.status("n2"); s.Void || s.Corrupt != "" {
		t.Errorf("with another copy it is still said to be corrupt: %q", s.Corrupt)
	}
}

func TestALogKnowsTheEpochOfItsBase(t *testing.T) { // T2
	t.Parallel()
	var w window
	w.reset(entry.Position{Sequence: 5, Epoch: 3})
	w.append(put(6, 4))
	for _, test := range []struct {
		at   entry.Position
		want bool
	}{
		{entry.Position{Sequence: 4, Epoch: 1}, true}, // whatever it was, it is committed
		{entry.Position{Sequence: 5, Epoch: 3}, true},
		{entry.Position{Sequence: 5, Epoch: 2}, false},
		{entry.Position{Sequence: 5, Epoch: 4}, false},
		{entry.Position{Sequence: 6, Epoch: 4}, true},
		{entry.Position{Sequence: 6, Epoch: 3}, false},
		{entry.Position{Sequence: 7, Epoch: 4}, false},
	} {
		if got := w.has(test.at); got != test.want {
			t.Errorf("has %+v: %v, want %v", test.at, got, test.want)
		}
	}
}

// A secondary whose copy ends in another entry than its primary's log has there
// does not go on from it: it finds out that what it has is not what was committed.
func TestACopyWithAnotherBaseIsCorrupt(t *testing.T) { // T2
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.pass(time.Second)
	n2 := c.nodes["n2"]
	c.configure(func(*partition.Configuration) {})
	c.settle()
	r := n2.g.replicas[0]
	r.log.reset(entry.Position{Sequence: r.log.last().Sequence, Epoch: 9}) // as if its file said so
	c.do("n1", c.operation("more", Put, "k", "w"))
	c.pass(2 * time.Second)
	c.want("more", Done)
	if len(n2.found) != 1 || n2.found[0].Kind != Corrupt {
		t.Errorf("n2's driver is told %+v; its log ends at %+v", n2.found, r.log.last())
	}
}
