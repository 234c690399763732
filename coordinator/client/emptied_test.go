package client_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// emptied is a cluster of which one node runs, and all coordinators start again
// with empty directories. They listen for that long before they found a cluster.
func emptied(t *testing.T, listen time.Duration, before func(*trio.Group)) (*trio.Group, *client.Client, client.Config) {
	t.Helper()
	g := trio.New(t, 3)
	g.Settings = partition.Settings{Partitions: 1, ReplicationFactor: 1, ExpectNodes: 2}
	g.Start()
	c := config(g, 1)
	n := join(t, c)
	g.Stop(g.IDs...)
	for _, id := range g.IDs {
		g.Wipe(id)
	}
	g.Change = func(c *coordinator.Config) { c.Timings.Found = listen }
	if before != nil {
		before(g)
	}
	g.Start()
	return g, n, c
}

var asking = &http.Client{Timeout: trio.Patience, Transport: &http.Transport{DisableKeepAlives: true}}

// seenBy is the cluster as a coordinator tells of it.
func seenBy(t *testing.T, c *coordinator.Coordinator) (out mapjson.Cluster) {
	t.Helper()
	r, err := asking.Get("http://" + c.HTTPAddr() + "/v1/cluster")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEmptiedCoordinatorsFoundNoClusterWhileNodesOfTheOldOneCall(t *testing.T) {
	t.Parallel()
	g, n, c := emptied(t, 4*time.Second, nil)
	old := n.ClusterID()
	for _, id := range g.IDs {
		trio.Eventually(t, "the refusal of "+id, func() bool {
			text := seenBy(t, g.Member(id)).Barred
			return strings.Contains(text, "n1") && strings.Contains(text, old) && strings.Contains(text, "Put the coordinators' directories back")
		})
	}
	begin := time.Now()
	trio.Eventually(t, "the end of the time in which they listen", func() bool {
		for _, id := range g.IDs {
			if m := g.Member(id).Map(); m.ClusterID != "" {
				t.Fatalf("%s belongs to a new cluster, %s", id, m.ClusterID)
			}
		}
		return time.Since(begin) > 5*time.Second
	})
	// Only one of them hears the node, and tells the others.
	g.Network.CutBoth("n1", "c1")
	g.Network.CutBoth("n1", "c2")
	g.Stop("c1", "c2")
	g.Start("c1", "c2")
	trio.Eventually(t, "c1 to be told", func() bool { return strings.Contains(seenBy(t, g.Member("c1")).Barred, "n1") })
	g.Network.HealAll()

	// The old cluster is given up: the node starts with an empty directory.
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	c.Store, c.Start = 500, partition.Start{Incarnation: 1, ID: 6}
	n = join(t, c)
	if n.ClusterID() == old {
		t.Error("the node is in the old cluster")
	}
	if barred := seenBy(t, g.Leader()).Barred; barred != "" {
		t.Errorf("still: %s", barred)
	}
}

// A node of the old cluster that could not call in time learns that the
// coordinators are of another one, and they tell of it.
func TestANodeOfAnotherClusterIsTurnedAway(t *testing.T) {
	t.Parallel()
	g, n, _ := emptied(t, time.Millisecond, func(g *trio.Group) {
		for _, id := range g.IDs {
			g.Network.CutBoth("n1", id)
		}
	})
	leader := g.Leader()
	if err := n.Err(); err != nil {
		t.Errorf("without coordinators: %v", err)
	}
	g.Network.HealAll()
	trio.Eventually(t, "the node to know", func() bool {
		err := n.Err()
		return err != nil && strings.Contains(err.Error(), leader.Map().ClusterID)
	})
	if m := n.Map(); m.ClusterID == leader.Map().ClusterID || n.Fenced() != nil {
		t.Errorf("the node has the map of cluster %s; fenced: %v", m.ClusterID, n.Fenced())
	}
	trio.Eventually(t, "the coordinators to tell", func() bool {
		s := seenBy(t, leader).Strangers
		return len(s) == 1 && s[0].Node == "n1" && s[0].ClusterID == n.ClusterID()
	})
	if _, known := leader.Map().Node("n1"); known {
		t.Error("the node is in the new cluster")
	}
}

// A new cluster need not wait for nodes of an earlier one to call: as many as it
// is to have call, and none belongs to another.
func TestANewClusterIsFoundedAtOnce(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Settings = partition.Settings{Partitions: 1, ReplicationFactor: 1, ExpectNodes: 1}
	g.Change = func(c *coordinator.Config) { c.Timings.Found = time.Hour }
	g.Start()
	n := join(t, config(g, 1))
	trio.Eventually(t, "the placement", func() bool { return n.Map().Placed() })
}
