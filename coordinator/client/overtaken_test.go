package client_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// The coordinators were restored from a backup, and have come past the version that a
// node has, before that node reaches them again: it takes no map of the other history
// for a later one, and what it has is reported.
func TestRestoredCoordinatorsThatCameFurtherAreNoticed(t *testing.T) {
	t.Parallel()
	for _, above := range []uint64{0, 2} {
		t.Run(fmt.Sprintf("by %d versions", above), func(t *testing.T) {
			t.Parallel()
			g := trio.New(t, 3)
			g.Settings = partition.Settings{Partitions: 1, ReplicationFactor: 1}
			g.Start()
			first := config(g, 1)
			var sealed atomic.Int32
			first.CurrentCopies = func(seal uint64) []client.Copy {
				if seal != 0 {
					sealed.Add(1)
				}
				return nil
			}
			n := join(t, first)
			trio.Eventually(t, "the placement", func() bool { return n.Map().Placed() })
			restore := backUp(t, g)
			g.Leader()
			gone := join(t, config(g, 2))
			trio.Eventually(t, "the next version", func() bool { return n.Map().Version >= gone.Map().Version })
			if err := gone.Close(); err != nil {
				t.Fatal(err)
			}
			has := n.Map()

			for _, id := range g.IDs {
				g.Network.CutBoth("n1", id)
			}
			restore()
			other := config(g, 3)
			for version := uint64(0); version < has.Version+above; {
				c := join(t, other)
				version = c.Map().Version
				other.Accepted = other.Start
				other.Start.Incarnation++
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			}
			g.Network.HealAll()
			trio.Eventually(t, "the report of what n1 has adopted", func() bool {
				r, _ := recoverMap(t, g, "{}")
				return sealed.Load() > 0 && r.Behind && slices.Contains(r.Reported, partition.NodeID("n1"))
			})
			if n.Map().Stamp() != has.Stamp() {
				t.Errorf("the node went from map %+v to %+v", has.Stamp(), n.Map().Stamp())
			}
			done, _ := recoverMap(t, g, `{"lost": ["n3"], "confirm": true}`)
			trio.Eventually(t, "the recovered map", func() bool { return done.Done && n.Map().Version >= done.Version })
		})
	}
}

// The same backup is put back once more, before the operator has recovered the map:
// the coordinators have forgotten what was reported, and every node says it again.
func TestNodesReportAgainWhenTheBackupIsRestoredAgain(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 1)
	g.Settings = partition.Settings{Partitions: 1, ReplicationFactor: 1}
	g.Start()
	n := join(t, config(g, 1))
	trio.Eventually(t, "the placement", func() bool { return n.Map().Placed() })
	restore := backUp(t, g)
	g.Leader()
	m := join(t, config(g, 2))
	trio.Eventually(t, "the next version", func() bool { return n.Map().Version >= m.Map().Version })
	for range 3 {
		restore()
		trio.Eventually(t, "both reports", func() bool {
			r, _ := recoverMap(t, g, "{}")
			return r.Behind && slices.Equal(r.Reported, []partition.NodeID{"n1", "n2"})
		})
	}
}
