package client_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

// A server joins the cluster, says where it serves, and finds out who has a key.
func ExampleJoin() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := client.Join(ctx, client.Config{
		Application:  "shop", // as the coordinators were started: the default is the data nodes' own
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
	if !c.IsPrimary(p) {
		fmt.Println("pass the request on to", c.GetPrimary(p).Services["kv"])
		return
	}
	err = c.Write(ctx, p, func(ctx context.Context, w *client.Write) error {
		for _, target := range w.Targets() {
			switch err := send(ctx, target.Services["kv"], w.Epoch, w.Sequence, "value"); {
			case errors.Is(err, client.ErrStaleEpoch):
				return err // it knows a later epoch
			case err != nil:
				w.Failed(target)
			}
		}
		return store(w.Epoch, w.Sequence, "value") // here last
	})
	fmt.Println("acknowledged:", err == nil)
}

// A receiver asks whether it may store, under the lock that it stores under.
func ExampleClient_Accept() {
	var c *client.Client // from Join
	var p *client.Partition
	var mu sync.Mutex
	receive := func(epoch partition.Epoch, sequence uint64, value string) error {
		mu.Lock()
		defer mu.Unlock()
		if err := c.Accept(p, epoch); err != nil {
			return err
		}
		return store(epoch, sequence, value)
	}
	_ = receive
}

// A new primary brings all replicas to what it has before it writes.
func ExampleClient_OnTakeover() {
	var c *client.Client // from Join
	c.OnTakeover(func(ctx context.Context, w *client.Write) error {
		for _, target := range w.Targets() {
			switch err := sendAll(ctx, target.Services["kv"], w.Partition.Number, w.Epoch, w.Sequence); {
			case errors.Is(err, client.ErrStaleEpoch):
				return err
			case err != nil:
				w.Failed(target)
			}
		}
		return nil
	})
}

// A node that is to have a partition copies it. Nil says that it has everything
// below e.Sequence; the primary then proposes the node as a replica.
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

func send(context.Context, string, partition.Epoch, uint64, string) error { return nil }

func sendAll(context.Context, string, partition.ID, partition.Epoch, uint64) error { return nil }

func store(partition.Epoch, uint64, string) error { return nil }
