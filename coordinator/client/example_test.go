package client_test

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
)

// A server joins the cluster, says where it serves, and finds out who has a key.
func ExampleJoin() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Join(ctx, client.Config{
		NodeID:       "node-1",
		Coordinators: []string{"10.0.0.1:7081", "10.0.0.2:7081", "10.0.0.3:7081"},
		Services:     map[string]string{"kv": "10.0.0.7:10080"},
	})
	if err != nil {
		panic(err)
	}
	defer c.Close()

	p, err := c.GetPartition("user:42")
	if err != nil {
		panic(err)
	}
	switch {
	case c.IsPrimary(p):
		// Order the write, and hand it to all replicas with p.Epoch as the fence.
		for _, replica := range c.GetReplicas(p) {
			fmt.Println("hand the write to", replica.Services["kv"])
		}
	default:
		fmt.Println("pass the request on to", c.GetPrimary(p).Services["kv"])
	}
}

// A node that is to have a partition copies it; nil says that it has everything,
// and is the proposal to the coordinators to count it as a replica.
func ExampleClient_OnPartitionEvent() {
	var c *client.Client // from Join
	c.OnPartitionEvent(func(ctx context.Context, e client.PartitionEvent) error {
		return copyPartition(ctx, e.Partition.String(), e.CopyFrom.Services["kv"], e.Epoch)
	})
}

// What happens to nodes and to the cluster is told in the order of the map.
func ExampleClient_OnNodeEvent() {
	var c *client.Client // from Join or Follow
	c.OnNodeEvent(func(_ context.Context, e client.NodeEvent) error {
		switch e.Kind {
		case client.NodeJoined, client.NodeRejoined:
			fmt.Println("connect to", e.Node.Services["kv"])
		case client.NodeLeft:
			fmt.Println("forget", e.Node.ID)
		}
		return nil
	})
	c.OnClusterHealth(func(h client.ClusterHealth) {
		if !h.Well() {
			fmt.Println("not well:", h.Suspected, h.Degraded, "partitions degraded")
		}
	})
}

func copyPartition(context.Context, string, string, any) error { return nil }
