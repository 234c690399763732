package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

func config(g *trio.Group, n int) client.Config {
	id := fmt.Sprintf("n%d", n)
	return client.Config{
		NodeID: partition.NodeID(id), Coordinators: g.Addrs(), HTTPAddr: id + ":7070", PeerAddr: id + ":7071",
		Store: partition.StoreID(100 + n), Start: partition.Start{Incarnation: 1, ID: 1}, Network: g.Network.Host(id), Logger: trio.Logger(g.T()),
	}
}

// join joins, and leaves with the test.
func join(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), trio.Patience)
	defer cancel()
	joined, err := client.Join(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = joined.Close() })
	return joined
}

// cluster starts three coordinators and three nodes, placed.
func cluster(t *testing.T) (*trio.Group, []*client.Client) {
	t.Helper()
	g := trio.New(t, 3)
	g.Start()
	var nodes []*client.Client
	for n := 1; n <= 3; n++ {
		nodes = append(nodes, join(t, config(g, n)))
	}
	placed(t, nodes...)
	return g, nodes
}

func placed(t *testing.T, nodes ...*client.Client) {
	t.Helper()
	for _, c := range nodes {
		trio.Eventually(t, "placement", func() bool { return c.Map().Placed() })
	}
}

func TestNodesJoinAndPartitionsArePlaced(t *testing.T) {
	t.Parallel()
	_, nodes := cluster(t)
	m := nodes[0].Map()
	if err := m.Validate(); err != nil {
		t.Error(err)
	}
	if len(m.Nodes) != 3 || len(m.Partitions) != 8 {
		t.Fatalf("%d nodes, %d partitions", len(m.Nodes), len(m.Partitions))
	}
	for _, c := range nodes {
		self, ok := c.Self()
		if !ok || self.Incarnation != 1 || c.ClusterID() != m.ClusterID {
			t.Errorf("%+v, %t", self, ok)
		}
	}
	p, err := nodes[0].GetPartition("some key")
	if err != nil || p.ID != p.Number.String() || p.Epoch != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	primaries, replicas := 0, 0
	for _, c := range nodes {
		if c.IsPrimary(p) {
			primaries++
		}
		if c.IsReplica(p) {
			replicas++
		}
		if n := c.GetPrimary(p); n == nil || n.ID != p.Configuration.Primary {
			t.Errorf("primary %+v", n)
		}
		if got := c.GetReplicas(p); len(got) != 2 || slices.ContainsFunc(got, func(n *client.Node) bool { return n.ID == p.Configuration.Primary }) {
			t.Errorf("replicas %v", got)
		}
		if got := c.GetPartitionsForNode("n2"); len(got) != 8 {
			t.Errorf("n2 has %d partitions", len(got))
		}
	}
	if primaries != 1 || replicas != 2 {
		t.Errorf("%d primaries and %d replicas", primaries, replicas)
	}
}

// One failed node is one Raft entry: one version of the map for all partitions.
func TestAFailedNodeIsTakenOutInOneStepAndComesBackAsLearner(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	var mu sync.Mutex
	versions := map[uint64]int{} // partitions that n3 is in sync for, by version
	f, err := client.Follow(t.Context(), client.FollowConfig{
		Coordinators: g.Addrs(), Network: g.Network, OnMap: func(m *partition.Map) {
			mu.Lock()
			defer mu.Unlock()
			for i := range m.Partitions {
				if m.Partitions[i].InSync("n3") {
					versions[m.Version]++
				}
			}
			versions[m.Version] += 0
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	_ = nodes[2].Close()
	begin := time.Now()
	trio.Eventually(t, "n3 to be taken out", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 0 })
	if took := time.Since(begin); took < 500*time.Millisecond {
		t.Errorf("taken out after %v", took)
	}
	trio.Eventually(t, "the follower to see it", func() bool { return len(f.GetPartitionsForNode("n3")) == 0 })
	mu.Lock()
	for version, inSync := range versions {
		if inSync != 0 && inSync != 8 {
			t.Errorf("version %d has %d of 8 partitions with n3", version, inSync)
		}
	}
	mu.Unlock()
	m := nodes[0].Map()
	for i := range m.Partitions {
		if c := &m.Partitions[i]; c.Primary == "" || c.Primary == "n3" || len(c.Replicas) != 2 || !c.IsLearner("n3") {
			t.Errorf("%+v", c)
		}
	}
	trio.Eventually(t, "clients to hear that n3 is suspected", func() bool { return slices.Contains(nodes[0].Cluster().Suspected, "n3") })

	// It comes back with its disk: the hooks run, and then it is in sync.
	back := config(g, 3)
	back.Accepted, back.Start = back.Start, partition.Start{Incarnation: 2, ID: 2}
	for i := range m.Partitions {
		c := &m.Partitions[i]
		back.Copies = append(back.Copies, client.Copy{Partition: c.ID, Epoch: c.Epoch - 1, Lineage: c.Lineage})
	}
	c := join(t, back)
	calls := make(chan string, 100)
	c.OnPartitionChange(func(id string, from, to *client.Node) {
		if to.ID != "n3" || from.ID == "n3" {
			t.Errorf("%s: copy from %s to %s", id, from.ID, to.ID)
		}
		calls <- id
	})
	trio.Eventually(t, "n3 to be in sync again", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 8 })
	if len(calls) < 8 {
		t.Errorf("hooks called for %d of 8 partitions", len(calls))
	}
}

func TestAHookThatFailsOrPanicsIsCalledAgain(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	_ = nodes[2].Close()
	trio.Eventually(t, "n3 to be taken out", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 0 })

	wiped := config(g, 3)
	wiped.Store = 999 // an empty disk
	c := join(t, wiped)
	var mu sync.Mutex
	calls, running := map[partition.ID]int{}, map[partition.ID]bool{}
	c.OnPartitionEvent(func(ctx context.Context, e client.PartitionEvent) error {
		mu.Lock()
		if running[e.Partition] {
			t.Errorf("two calls at a time for %v", e.Partition)
		}
		running[e.Partition] = true
		calls[e.Partition]++
		n := calls[e.Partition]
		mu.Unlock()
		defer func() {
			mu.Lock()
			running[e.Partition] = false
			mu.Unlock()
		}()
		if p, err := c.GetPartitionByID(e.Partition); err != nil || c.IsReplica(p) {
			t.Errorf("%v: a replica before its hook returned nil", e.Partition)
		}
		switch n {
		case 1:
			return errors.New("the network failed")
		case 2:
			panic("a mistake")
		}
		return nil
	})
	trio.Eventually(t, "n3 to be in sync again", func() bool { return len(nodes[0].GetPartitionsForNode("n3")) == 8 })
	mu.Lock()
	defer mu.Unlock()
	for id, n := range calls {
		if n < 3 {
			t.Errorf("%v: %d calls", id, n)
		}
	}
}

func TestTheMapOutlivesTheCoordinators(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	before := nodes[0].Map()
	g.Stop(g.IDs...)
	trio.Eventually(t, "the client to notice", func() bool { return nodes[0].Cluster().Leader == "" })
	if p, err := nodes[0].GetPartition("key"); err != nil || nodes[0].GetPrimary(p) == nil || nodes[0].Map() != before {
		t.Errorf("the map is gone: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := nodes[0].WaitMap(ctx, before.Version); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waited with %v", err)
	}
	g.Start("c1", "c2")
	cur, _ := before.Partition(0)
	bump := partition.Change{Partition: 0, Epoch: cur.Epoch, Primary: cur.Primary, Replicas: cur.Replicas, Proposer: cur.Primary}
	trio.Eventually(t, "a change to go through again", func() bool {
		nodes[0].Propose(bump) // the same again and again is harmless
		now, _ := nodes[0].Map().Partition(0)
		return now.Epoch == cur.Epoch+1
	})
}

func TestTheStreamMovesToAnotherCoordinator(t *testing.T) {
	t.Parallel()
	g, nodes := cluster(t)
	// Whoever n1 follows, it cannot hear from two of them; one of them may lead.
	leader := g.Leader().ID()
	for _, id := range g.IDs {
		if id != leader {
			g.Network.Cut(id, "n1")
		}
	}
	bumped := func() partition.Epoch { c, _ := nodes[0].Map().Partition(3); return c.Epoch }
	want := bumped() + 1
	trio.Eventually(t, "n1 to see a change that n2 asked for", func() bool {
		cur, _ := nodes[1].Map().Partition(3)
		if cur.Epoch < want {
			nodes[1].Propose(partition.Change{Partition: 3, Epoch: cur.Epoch, Primary: cur.Primary, Replicas: cur.Replicas})
		}
		return bumped() >= want
	})
}

func TestRegistrationsThatAreRefused(t *testing.T) {
	t.Parallel()
	g, _ := cluster(t)
	for name, test := range map[string]struct {
		change func(*client.Config)
		want   string
	}{
		"another application": {func(c *client.Config) { c.Application = "other" }, `"holdfast"`},
		"another cluster":     {func(c *client.Config) { c.ClusterID = "0123" }, "cluster 0123"},
		"a known ID elsewhere": {func(c *client.Config) {
			c.NodeID, c.Store = "n2", 77
		}, "at its known address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(g, 9)
			test.change(&c)
			_, err := client.Join(t.Context(), c)
			var refused *client.RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAFollowerOfAnotherApplicationIsRefused(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 1)
	g.Settings = partition.Settings{Partitions: 4, ReplicationFactor: 1}
	g.Start()
	g.Leader()
	_, err := client.Follow(t.Context(), client.FollowConfig{Coordinators: g.Addrs(), Application: "other", Network: g.Network})
	var refused *client.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}

func TestJoinWaitsAndSaysForWhat(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start("c1")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := client.Join(ctx, config(g, 1))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "c2:7081") {
		t.Errorf("%v", err)
	}
	for _, bad := range []client.Config{
		{}, {NodeID: "n"}, {NodeID: "n", Coordinators: []string{"nonsense"}},
		{NodeID: "n", Coordinators: []string{"a:1"}, Store: 5},
	} {
		if _, err := client.Join(t.Context(), bad); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
	if _, err := client.Follow(t.Context(), client.FollowConfig{}); err == nil {
		t.Error("followed nobody")
	}
}

func TestLookupsBeforePlacement(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 1)
	g.Settings = partition.Settings{Partitions: 4, ReplicationFactor: 1, ExpectNodes: 2}
	g.Start()
	c := join(t, config(g, 1))
	if _, err := c.GetPartition("key"); !errors.Is(err, client.ErrNotPlaced) || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("%v", err)
	}
	if c.GetPrimary(nil) != nil || c.IsPrimary(nil) || c.IsReplica(nil) || c.GetReplicas(nil) != nil {
		t.Error("an answer for no partition")
	}
}
