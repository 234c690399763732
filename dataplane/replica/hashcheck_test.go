package replica

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// checked lets time pass, and returns what checks found, by node.
func (c *cluster) checked(d time.Duration) map[partition.NodeID][]Finding {
	c.t.Helper()
	found := map[partition.NodeID][]Finding{}
	for _, n := range c.nodes {
		n.found = nil
	}
	c.pass(d)
	for id, n := range c.nodes {
		if len(n.found) > 0 {
			found[id] = n.found
		}
	}
	return found
}

func TestHashesOfReplicasAreCompared(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		nodes   int
		wrong   []partition.NodeID
		primary FindingKind
		expels  partition.NodeID
	}{
		"all have the same":   {3, nil, HashesEqual, ""},
		"a secondary differs": {3, []partition.NodeID{"n3"}, HashesDiffer, "n3"},
		"the primary differs": {3, []partition.NodeID{"n1"}, HashesDiffer, "n1"},
		"all differ":          {3, []partition.NodeID{"n1", "n2"}, HashesDiffer, ""},
		"one against one":     {2, []partition.NodeID{"n2"}, HashesDiffer, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, test.nodes)
			c.serve("n1")
			c.do("n1", c.operation("put", Put, "k", "v"))
			for i, id := range test.wrong {
				c.nodes[id].state.hash = uint64(i + 1)
			}
			found := c.checked(70 * time.Second)
			first := Finding{}
			if len(found["n1"]) > 0 {
				first = found["n1"][0]
			}
			if first.Kind != test.primary || first.Expels != test.expels {
				t.Fatalf("the primary finds %+v", first)
			}
			for id, n := range c.nodes {
				expelled := len(n.found) > 0 && n.found[len(n.found)-1].Kind == Corrupt
				if expelled != (id == test.expels) {
					t.Errorf("%s finds %+v", id, n.found)
				}
				if expelled && id != "n1" && (!c.status(id).Void || n.view.GrantUntil != 0) {
					t.Errorf("%s still serves what it has", id)
				}
			}
		})
	}
}

// A check asks for the state at one sequence, while writes go on and one disk is
// slow.
func TestHashesAreComparedAtOneSequence(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	n1, n2 := c.nodes["n1"], c.nodes["n2"]
	for i := 0; len(n1.found) == 0 && i < 2000; i++ {
		n2.stalled = i%2 == 0
		c.do("n1", c.operation(fmt.Sprint(i), Put, "k", "v"))
		c.pass(50 * time.Millisecond)
	}
	if len(n1.found) == 0 || n1.found[0].Kind != HashesEqual || n1.found[0].Compared != 3 {
		t.Fatalf("found %+v", n1.found)
	}
}

func TestNobodyIsExpelledBelowMinInSync(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	for _, n := range c.nodes {
		n.g.cfg.MinInSync = 3
	}
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.nodes["n3"].state.hash = 1
	for id, found := range c.checked(70 * time.Second) {
		for _, f := range found {
			if f.Kind != HashesDiffer || f.Expels != "" {
				t.Errorf("%s finds %+v", id, f)
			}
		}
	}
}

// An order to go that is of an older epoch, or of somebody else, is not obeyed.
func TestExpelFromAnybodyElseDoesNotCount(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	n2 := c.nodes["n2"]
	epoch := n2.g.replicas[0].conf.Epoch
	n2.g.Message(c.now, c.nodes["n3"].self, &Message{Kind: Expel, Epoch: epoch})
	n2.g.Message(c.now, c.nodes["n1"].self, &Message{Kind: Expel, Epoch: epoch - 1})
	if c.status("n2").Void {
		t.Fatal("n2 gives up its copy")
	}
	n2.g.Message(c.now, c.nodes["n1"].self, &Message{Kind: Expel, Epoch: epoch})
	if !c.status("n2").Void {
		t.Fatal("n2 keeps its copy against its primary's word")
	}
}

// A replica told its hash, was removed, and is in sync again with another copy,
// before the others have told theirs (simulator seed 1795763411828079221).
func TestTheHashOfACopyThatIsGoneDoesNotCount(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.nodes["n3"].state.hash = 1
	c.hold = func(from partition.NodeID, e Envelope) bool { return from == "n2" && e.Message.Kind == HashReply }
	told := func() bool { _, ok := c.nodes["n1"].g.replicas[0].check.hashes["n3"]; return ok }
	for i := 0; !told() && i < 7000; i++ {
		c.pass(10 * time.Millisecond)
	}
	if !told() {
		t.Fatal("n3 never tells its hash")
	}
	c.configure(func(conf *partition.Configuration) { conf.Replicas = conf.Replicas[:2] })
	c.nodes["n3"].state.hash = 0 // by a snapshot
	c.pass(300 * time.Millisecond)
	if !c.m.Partitions[0].InSync("n3") {
		t.Fatal("n3 is not in sync again")
	}
	found := c.checked(6 * time.Second)
	for id, list := range found {
		for _, f := range list {
			if f.Kind != HashesEqual {
				t.Errorf("%s finds %+v", id, f)
			}
		}
	}
}
