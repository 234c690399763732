package state

import (
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// cluster is a machine with the index of its log.
type cluster struct {
	t     testing.TB
	m     *Machine
	index uint64
}

// newCluster has nodes n1 to n<nodes>, each at incarnation 1 and store 100 and
// up, before the first placement.
func newCluster(t testing.TB, s partition.Settings, nodes int) *cluster {
	t.Helper()
	c := &cluster{t: t, m: New()}
	c.ok(Create{ClusterID: "c", Application: "holdfast", Settings: s})
	for i := range nodes {
		c.ok(Register{Node: node(i + 1)})
	}
	return c
}

// three has one partition, three replicas and min-in-sync 2, n1 as primary, on
// n1, n2 and n3 of the nodes given, and all copies confirmed.
func three(t testing.TB, nodes int) *cluster {
	t.Helper()
	c := newCluster(t, partition.Settings{Partitions: 1, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: 3}, nodes)
	c.ok(Place{Configurations: []partition.Configuration{
		{ID: 0, Epoch: 1, Lineage: 7, Primary: "n1", Replicas: replicas(1, 2, 3)},
	}})
	c.ok(Confirm{Nodes: replicas(1, 2, 3, 4)})
	return c
}

func node(i int) partition.Node {
	return partition.Node{
		ID: partition.NodeID(fmt.Sprint("n", i)), Store: partition.StoreID(99 + i), Incarnation: 1, StartID: partition.StartID(1000 * i),
		PeerAddr: fmt.Sprint("host", i, ":7071"), HTTPAddr: fmt.Sprint("host", i, ":7070"), Weight: 1,
	}
}

func replicas(nodes ...int) []partition.Replica {
	var out []partition.Replica
	for _, i := range nodes {
		out = append(out, partition.Replica{Node: node(i).ID, Store: node(i).Store})
	}
	return out
}

func (c *cluster) apply(cmd Command) Result {
	c.t.Helper()
	c.index++
	r := c.m.Apply(c.index, cmd)
	if err := c.m.Map().Validate(); err != nil {
		c.t.Fatalf("after %+v: %v", cmd, err)
	}
	return r
}

// ok applies a command that must be accepted in all its parts.
func (c *cluster) ok(cmd Command) {
	c.t.Helper()
	r := c.apply(cmd)
	if r.Err != nil {
		c.t.Fatalf("%+v: %v", cmd, r.Err)
	}
	for _, v := range r.Verdicts {
		if v.Err != nil {
			c.t.Fatalf("%+v: %v", cmd, v.Err)
		}
	}
}

// refused applies a command that must change nothing, for that reason.
func (c *cluster) refused(cmd Command, want error) {
	c.t.Helper()
	before := c.m.Map()
	r := c.apply(cmd)
	err := r.Err
	if err == nil && len(r.Verdicts) > 0 {
		err = r.Verdicts[0].Err
	}
	if !errors.Is(err, want) {
		c.t.Errorf("%+v: %v, want %v", cmd, err, want)
	}
	if c.m.Map() != before {
		c.t.Errorf("%+v: refused, but the map has changed", cmd)
	}
}

// change proposes the next configuration of partition 0 in the name of its
// primary.
func (c *cluster) change(primary partition.NodeID, set ...int) Changes {
	cur := c.at(0)
	change := partition.Change{Partition: 0, Epoch: cur.Epoch, Primary: primary, Replicas: replicas(set...), Proposer: cur.Primary}
	for _, i := range set {
		if n, known := c.m.Map().Node(node(i).ID); known && !cur.InSync(n.ID) {
			change.Added = append(change.Added, partition.Added{Node: n.ID, Start: n.Start()})
		}
	}
	return Changes{Changes: []partition.Change{change}}
}

func (c *cluster) at(id partition.ID) *partition.Configuration {
	c.t.Helper()
	cur, ok := c.m.Map().Partition(id)
	if !ok {
		c.t.Fatalf("%v is not placed", id)
	}
	return cur
}

// is checks partition 0, written as "epoch primary in-sync / learners /
// eligible / unavailable".
func (c *cluster) is(want string) {
	c.t.Helper()
	p := c.at(0)
	got := fmt.Sprint(p.Epoch, " ", p.Primary, " ", partition.Nodes(p.Replicas), " ", partition.Nodes(p.Learners), " ",
		partition.Nodes(p.Eligible), " ", partition.Nodes(p.Unavailable))
	if got != want {
		c.t.Errorf("partition-0 is %s, want %s", got, want)
	}
}

// boot is node i's next boot, with a copy of partition 0 as the map has it.
func (c *cluster) boot(i int, live ...partition.NodeID) Register {
	known, _ := c.m.Map().Node(node(i).ID)
	n := *known
	n.Incarnation++
	n.StartID++
	r := Register{Node: n, Live: live, Accepted: known.Start()}
	if cur, placed := c.m.Map().Partition(0); placed {
		r.Copies = []Copy{{Partition: 0, Epoch: cur.Epoch, Lineage: cur.Lineage}}
	}
	return r
}

// begin is the beginning of a move of partition 0, planned from the present map.
func (c *cluster) begin(v partition.Move) Begin {
	return Begin{Version: c.m.Map().Version, Moves: []partition.Move{v}}
}

// recover and unsafely are an operator's recoveries of partition 0, judged from
// the present map.
func (c *cluster) recover(node partition.NodeID) Recover {
	return Recover{Node: node, Epoch: c.at(0).Epoch}
}

func (c *cluster) unsafely(node partition.NodeID, lineage uint32) UnsafeRecover {
	return UnsafeRecover{Node: node, Lineage: lineage, Epoch: c.at(0).Epoch}
}

// remove is a node's removal, judged from the present map.
func (c *cluster) remove(id partition.NodeID) Remove {
	c.t.Helper()
	n, known := c.m.Map().Node(id)
	if !known {
		c.t.Fatalf("there is no %s", id)
	}
	return Remove{Node: id, Store: n.Store, Incarnation: n.Incarnation, Duty: n.Duty}
}

// lost is remove with the node's disk.
func (c *cluster) lost(id partition.NodeID, live ...partition.NodeID) Remove {
	c.t.Helper()
	r := c.remove(id)
	r.Lost, r.Live = true, live
	return r
}

// replaced says of a start of node i that it has been away for too long.
func replaced(i int, incarnation uint64) Assign {
	return Assign{Node: node(i).ID, Store: node(i).Store, Incarnation: incarnation, Duty: partition.Replaced}
}
