package client_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// The only node with a later map is silent, so no report shows that the map is old. A
// mark on one directory is enough, whichever coordinator leads.
func TestMarkedCoordinatorsDecideNothing(t *testing.T) {
	t.Parallel()
	for _, marked := range [][]string{{"c1", "c2", "c3"}, {"c1"}, {"c2"}, {"c3"}} {
		t.Run(fmt.Sprint(marked), func(t *testing.T) {
			t.Parallel()
			g := trio.New(t, 3)
			g.Settings = partition.Settings{Partitions: 1, ReplicationFactor: 1}
			g.Start()
			n := join(t, config(g, 1))
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
			g.Stop(g.IDs...)
			for _, id := range marked {
				if m, err := coordinator.MarkRestored(g.Dir(id)); err != nil || m.ID != id || m.ClusterID != has.ClusterID || m.Last.Index == 0 {
					t.Fatalf("%+v, %v", m, err)
				}
			}
			g.Start()
			trio.Eventually(t, "the frozen map", func() bool {
				r, _ := recoverMap(t, g, "{}")
				return r.Behind && slices.Equal(r.Missing, []partition.NodeID{"n1"})
			})
			if r, status := recoverMap(t, g, `{"confirm": true}`); status != http.StatusConflict {
				t.Errorf("recovered without n1: %d, %+v", status, r)
			}
			g.Network.HealAll()
			trio.Eventually(t, "the report of n1", func() bool {
				r, _ := recoverMap(t, g, "{}")
				return slices.Contains(r.Reported, partition.NodeID("n1"))
			})
			done, status := recoverMap(t, g, `{"confirm": true}`)
			if status != http.StatusOK || !done.Done || done.Version <= has.Version {
				t.Fatalf("%d, %+v", status, done)
			}
			trio.Eventually(t, "the marks to be gone", func() bool {
				return !slices.ContainsFunc(g.IDs, func(id string) bool {
					raw, err := os.ReadFile(filepath.Join(g.Dir(id), "member.json"))
					return err != nil || strings.Contains(string(raw), `"restored"`)
				})
			})
			g.Stop(g.IDs...)
			g.Start()
			later := join(t, config(g, 3))
			if v := later.Map().Version; v <= done.Version {
				t.Errorf("a node joined at version %d, after %d", v, done.Version)
			}
		})
	}
}
