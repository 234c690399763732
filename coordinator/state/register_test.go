package state

import (
	"errors"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

func TestRegisterRaisesEpochs(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.boot(2))
	c.is("2 n1 [n1 n2 n3] [] [] []")
	before := c.m.Map()
	again := c.boot(2)
	again.Node.Incarnation--
	again.Node.StartID--
	c.ok(again) // the same boot said twice
	if c.m.Map() != before {
		t.Error("the same incarnation again is no no-op")
	}
	c.ok(c.change("n1", 1, 2))
	c.ok(c.boot(3)) // as a learner
	c.is("4 n1 [n1 n2] [n3] [] []")
}

func TestRegisterMovesPrimaries(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.boot(1))
	c.is("2 n1 [n1 n2 n3] [] [] []") // nobody else is alive
	c.ok(c.boot(1, "n1", "n3"))
	c.is("3 n3 [n1 n2 n3] [] [] []")
	c.ok(c.boot(3, "n4", "n3")) // n4 has no copy
	c.is("4 n3 [n1 n2 n3] [] [] []")
}

func TestRegisterSpreadsPrimaries(t *testing.T) {
	t.Parallel()
	c := newCluster(t, partition.Settings{Partitions: 5, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3}, 3)
	var list []partition.Configuration
	for i := range 5 {
		list = append(list, partition.Configuration{ID: partition.ID(i), Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1, 2, 3)})
	}
	list[4].Primary = "n2"
	c.ok(Place{list})
	c.ok(c.boot(1, "n1", "n2", "n3"))
	if got := c.m.Map().Primaries(); got["n1"] != 0 || got["n2"] > 3 || got["n3"] > 3 {
		t.Errorf("primaries %v", got)
	}
}

func TestRegisterRefusals(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		spoil func(r *Register)
		want  error
	}{
		{"an earlier boot", func(r *Register) { r.Node.Incarnation = 1 }, ErrOldStart},
		{"another store elsewhere", func(r *Register) {
			r.Node.Store, r.Node.PeerAddr, r.Accepted = 55, "other:7071", partition.Start{}
		}, ErrElsewhere},
		{"the address of a live node", func(r *Register) { r.Node.PeerAddr, r.Live = node(3).PeerAddr, []partition.NodeID{"n3"} }, ErrAddressTaken},
		{"a new node at a live node's address", func(r *Register) {
			r.Node, r.Live = node(9), []partition.NodeID{"n3"}
			r.Node.PeerAddr = node(3).PeerAddr
		}, ErrAddressTaken},
		{"another node's store", func(r *Register) { r.Node.Store = node(3).Store }, ErrStoreTaken},
		{"no store", func(r *Register) { r.Node.Store = 0 }, ErrInvalid},
		{"no incarnation", func(r *Register) { r.Node.Incarnation = 0 }, ErrInvalid},
		{"no name", func(r *Register) { r.Node.ID = "" }, ErrInvalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := three(t, 3)
			c.ok(c.boot(2))
			r := c.boot(2)
			test.spoil(&r)
			c.refused(r, test.want)
		})
	}
	t.Run("a known store may move", func(t *testing.T) {
		t.Parallel()
		c := three(t, 3)
		r := c.boot(2)
		r.Node.PeerAddr, r.Live = node(3).PeerAddr, []partition.NodeID{"n1"} // n3 is not alive there any more
		r.Silent = r.Accepted
		c.ok(r)
	})
}

func wiped(c *cluster, i int, live ...partition.NodeID) Register {
	r := c.boot(i, live...)
	r.Node.Store += 1000
	r.Node.Incarnation = 1
	r.Accepted = partition.Start{}
	r.Copies = nil
	return r
}

// An empty disk must never become an empty primary.
func TestLostDisk(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	old := c.boot(1)
	c.ok(wiped(c, 1, "n1", "n2"))
	c.is("2 n2 [n2 n3] [n1] [] []")
	if r := c.at(0).Learners[0]; r.Store != node(1).Store+1000 {
		t.Errorf("n1 learns on store %v", r.Store)
	}
	late := old
	late.Node.Incarnation--
	late.Node.StartID--
	c.refused(late, ErrOldStart) // a late message of the old disk's last boot
	c.ok(old)                    // the old disk in fact: its copies count for nothing
	c.is("3 n2 [n2 n3] [n1] [] []")
	c.ok(wiped(c, 2))
	c.is("4  [n3] [n1 n2] [] []") // n3 is not known to be alive: the partition waits
	c.ok(wiped(c, 3))
	c.is("5  [] [n1 n2 n3] [] [n3]")
	if r := c.at(0).Unavailable[0]; r.Store != node(3).Store {
		t.Errorf("unavailable is store %v", r.Store)
	}
	c.ok(wiped(c, 3))
	c.is("6  [] [n1 n2 n3] [] [n3]")
}

func TestLostDiskIsNotEligible(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.change("n1", 1))
	c.ok(wiped(c, 2))
	c.is("3 n1 [n1] [n2 n3] [n3] []")
}

// A partition file that should be there and is not is a lost copy.
func TestLostCopy(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	r := c.boot(1, "n2", "n3")
	r.Copies = nil
	verdicts := c.apply(r).Verdicts
	if len(verdicts) != 1 || !errors.Is(verdicts[0].Err, ErrNoCopy) {
		t.Errorf("verdicts %+v", verdicts)
	}
	c.is("2 n2 [n2 n3] [n1] [] []")
	r = c.boot(1) // as a learner it may have none
	r.Copies = nil
	c.ok(r)
	c.is("3 n2 [n2 n3] [n1] [] []")
	r = c.boot(2, "n3")
	r.Copies[0].Lineage++ // of another life of the partition
	c.apply(r)
	c.is("4 n3 [n3] [n1 n2] [] []")
	r = c.boot(3)
	r.Copies = nil
	c.apply(r)
	c.is("5  [] [n1 n2 n3] [] [n3]")
}

func TestEligibleCopyMayBeLostToo(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	c.ok(c.change("n1", 1))
	r := c.boot(2)
	r.Copies = nil
	c.apply(r)
	c.is("3 n1 [n1] [n2 n3] [n3] []")
}

// Right after the first placement a node may start without copies.
func TestFirstCopiesMayBeMissing(t *testing.T) {
	t.Parallel()
	first := func(t *testing.T) *cluster {
		c := newCluster(t, partition.Settings{Partitions: 1, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3}, 3)
		c.ok(Place{[]partition.Configuration{{Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1, 2, 3)}}})
		return c
	}
	empty := func(c *cluster, i int) Register { r := c.boot(i); r.Copies = nil; return r }
	t.Run("nobody has adopted", func(t *testing.T) {
		t.Parallel()
		c := first(t)
		for i := range 3 {
			c.ok(empty(c, i+1))
		}
		c.is("4 n1 [n1 n2 n3] [] [] []")
	})
	t.Run("another has a copy", func(t *testing.T) {
		t.Parallel()
		c := first(t)
		c.ok(c.boot(1))
		c.apply(empty(c, 2))
		c.is("3 n1 [n1 n3] [n2] [] []")
	})
	t.Run("a primary has proposed", func(t *testing.T) {
		t.Parallel()
		c := first(t)
		c.ok(c.change("n1", 1, 2, 3))
		c.apply(empty(c, 2))
		c.is("3 n1 [n1 n3] [n2] [] []")
	})
	t.Run("the node is confirmed", func(t *testing.T) {
		t.Parallel()
		c := first(t)
		c.ok(Confirm{Nodes: replicas(2)})
		c.apply(empty(c, 2))
		c.ok(empty(c, 3)) // that one is not
		c.is("3 n1 [n1 n3] [n2] [] []")
	})
	t.Run("the node knows that its copy is damaged", func(t *testing.T) {
		t.Parallel()
		c := first(t)
		r := c.boot(2)
		r.Copies = []Copy{{Partition: 0}}
		c.apply(r)
		c.is("2 n1 [n1 n3] [n2] [] []")
	})
}

func TestRetiredStoresAreBounded(t *testing.T) {
	t.Parallel()
	c := three(t, 3)
	for range 3 * maxRetired {
		c.ok(wiped(c, 1))
	}
	c.ok(wiped(c, 2))
	if n := len(c.m.memory.retired); n != maxRetired+1 {
		t.Errorf("%d retired stores", n)
	}
}
