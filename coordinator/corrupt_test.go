package coordinator_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// What a node says of its copies every coordinator tells an operator, as long as
// it is so.
func TestCorruptReplicasAreShown(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Settings = partition.Settings{Partitions: 4, ReplicationFactor: 1}
	g.Start()
	var corrupt atomic.Pointer[[]client.Corrupt]
	corrupt.Store(&[]client.Corrupt{{Partition: 1}, {Partition: 3, Void: true}})
	n, err := client.Join(t.Context(), client.Config{
		NodeID: "n1", Coordinators: g.Addrs(), PeerAddr: "n1:1", HTTPAddr: "n1:2", Store: 7, Start: startOf(1), ProposesItself: true,
		Network: g.Network.Host("n1"), Report: func() client.Report { return client.Report{Corrupt: *corrupt.Load()} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	shows := func(want []partition.ID) {
		t.Helper()
		for _, id := range g.IDs {
			c := g.Member(id)
			trio.Eventually(t, fmt.Sprintf("%s to show %v", id, want), func() bool {
				var nodes mapjson.Nodes
				ask(t, c, "GET", "/v1/nodes", "", &nodes)
				var metrics string
				ask(t, c, "GET", "/metrics", "", &metrics)
				counted := fmt.Sprintf("holdfast_coordinator_replicas_corrupt{coordinator=%q} %d\n", id, len(want))
				return len(nodes.Nodes) == 1 && slices.Equal(nodes.Nodes[0].CorruptReplicas, want) && strings.Contains(metrics, counted)
			})
		}
	}
	shows([]partition.ID{1, 3})
	corrupt.Store(&[]client.Corrupt{})
	shows(nil)
}
