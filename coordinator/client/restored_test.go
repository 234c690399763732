package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// backUp stops the coordinators, copies their directories, and starts them. The
// function returned puts the copies back.
func backUp(t *testing.T, g *trio.Group) (restore func()) {
	t.Helper()
	backup := t.TempDir()
	g.Stop(g.IDs...)
	for _, id := range g.IDs {
		if err := os.CopyFS(filepath.Join(backup, id), os.DirFS(g.Dir(id))); err != nil {
			t.Fatal(err)
		}
	}
	g.Start()
	return func() {
		t.Helper()
		g.Stop(g.IDs...)
		for _, id := range g.IDs {
			g.Wipe(id)
			if err := os.CopyFS(g.Dir(id), os.DirFS(filepath.Join(backup, id))); err != nil {
				t.Fatal(err)
			}
		}
		g.Start()
	}
}

// recoverMap asks the leader.
func recoverMap(t *testing.T, g *trio.Group, body string) (out coordinator.MapRecovery, status int) {
	t.Helper()
	r, err := asking.Post("http://"+g.Leader().HTTPAddr()+"/v1/recover-map", "application/json", bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out, r.StatusCode
}

// The coordinators come back from a backup that is older than what a node has
// seen: the node keeps its map and says what it has, a program that starts waits,
// and the recovered map is above all that anybody has seen.
func TestCoordinatorsRestoredFromABackup(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Settings = partition.Settings{Partitions: 1, ReplicationFactor: 1}
	g.Start()
	first := config(g, 1)
	var asked, sealed atomic.Int32
	first.CurrentCopies = func(seal uint64) []client.Copy {
		if asked.Add(1); seal != 0 {
			sealed.Add(1)
		}
		return []client.Copy{{Partition: 0, Epoch: 7, Lineage: 5, Configuration: &partition.Configuration{
			Epoch: 7, Lineage: 5, Primary: "n1", Replicas: []partition.Replica{{Node: "n1", Store: first.Store}},
		}}}
	}
	first.Store, first.Start = 77, partition.Start{Incarnation: 1, ID: 5}
	n := join(t, first)
	trio.Eventually(t, "the placement", func() bool { return n.Map().Placed() })
	restore := backUp(t, g)
	g.Leader()
	added := config(g, 2)
	m := join(t, added)
	trio.Eventually(t, "the next version", func() bool { return n.Map().Version >= m.Map().Version })
	version := n.Map().Version

	restore()
	trio.Eventually(t, "the report of what it has adopted", func() bool { return sealed.Load() > 0 })
	trio.Eventually(t, "both reports", func() bool {
		r, _ := recoverMap(t, g, "{}")
		return r.Behind && slices.Equal(r.Reported, []partition.NodeID{"n1", "n2"}) && slices.Equal(r.Waiting, []partition.NodeID{"n2"})
	})
	if v := n.Map().Version; v != version {
		t.Errorf("the node went from version %d of the map to %d", version, v)
	}

	late := config(g, 3)
	soon, cancel := context.WithCancel(t.Context())
	late.OnRefused = func(*client.RefusedError) { cancel() }
	_, err := client.Join(soon, late)
	var waits *client.RefusedError
	if !errors.As(err, &waits) || !waits.Waits || !strings.Contains(waits.Reason, "recover-map") {
		t.Errorf("a program that starts while the map is behind hears %v", err)
	}
	joined := make(chan error, 1)
	go func() {
		c, err := client.Join(t.Context(), config(g, 4))
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		joined <- err
	}()
	trio.Eventually(t, "the report of n4", func() bool {
		r, _ := recoverMap(t, g, "{}")
		return slices.Contains(r.Reported, partition.NodeID("n4"))
	})

	if _, status := recoverMap(t, g, `{"lost": ["n9"], "confirm": true}`); status != http.StatusConflict {
		t.Errorf("a node that nobody has heard of was given up: %d", status)
	}
	preview, _ := recoverMap(t, g, "{}")
	if preview.Done || !slices.Equal(preview.Frozen, []partition.ID{0}) || preview.Partitions[0].Adopted != 7 {
		t.Errorf("preview %+v", preview)
	}
	if _, status := recoverMap(t, g, `{"judged": 1, "confirm": true}`); status != http.StatusConflict {
		t.Errorf("judged from other reports: %d", status)
	}
	done, status := recoverMap(t, g, `{"confirm": true}`)
	if status != http.StatusOK || !done.Done || done.Version <= version {
		t.Fatalf("%d, %+v", status, done)
	}
	if err := <-joined; err != nil {
		t.Errorf("who waited: %v", err)
	}
	for _, c := range []*client.Client{n, m} {
		trio.Eventually(t, "the recovered map", func() bool { return c.Map().Version >= done.Version })
		if _, there := c.Self(); !there || c.Map().Partitions[0].Epoch < 1<<20 {
			t.Errorf("%+v", c.Map())
		}
	}
	if r, status := recoverMap(t, g, `{"confirm": true}`); status != http.StatusConflict {
		t.Errorf("recovered twice: %d, %+v", status, r)
	}
}

// A program without copies of its own reports what it acts on, so that one which
// was taken out since the backup does not come back in sync.
func TestARunningProgramReportsTheReplicasThatItHas(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Settings = partition.Settings{Partitions: 1, ReplicationFactor: 1}
	g.Start()
	n := join(t, config(g, 1))
	trio.Eventually(t, "the placement", func() bool { return n.Map().Placed() })
	restore := backUp(t, g)
	g.Leader()
	m := join(t, config(g, 2))
	trio.Eventually(t, "the next version", func() bool { return n.Map().Version >= m.Map().Version })
	restore()
	trio.Eventually(t, "both reports", func() bool {
		r, _ := recoverMap(t, g, "{}")
		return r.Behind && slices.Equal(r.Reported, []partition.NodeID{"n1", "n2"})
	})
	if done, status := recoverMap(t, g, `{"confirm": true}`); status != http.StatusOK {
		t.Fatalf("%d, %+v", status, done)
	}
	trio.Eventually(t, "the recovered map", func() bool { return n.Map().Partitions[0].Epoch > 1<<20 })
	if c := n.Map().Partitions[0]; c.Primary != "n1" {
		t.Errorf("%+v", c)
	}
}
