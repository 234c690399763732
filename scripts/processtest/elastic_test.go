package processtest

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// admin runs one of the program's own commands against the cluster.
func admin(t *testing.T, c *cluster.Cluster, args ...string) string {
	t.Helper()
	out, err := adminMay(t, c, args...)
	if err != nil {
		t.Fatalf("holdfast %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func adminMay(t *testing.T, c *cluster.Cluster, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, m := range c.Nodes {
		args = append(args, "--server", m.HTTP)
	}
	out, err := exec.CommandContext(ctx, binary(t), args...).CombinedOutput()
	return string(out), err
}

// settles waits until so many nodes hold replicas and nothing is left to be moved,
// and returns what each holds.
func settles(t *testing.T, c *cluster.Cluster, nodes int) map[partition.NodeID]int {
	t.Helper()
	eventually(t, time.Minute, "nothing is left to move", func() error {
		if held, err := holds(t, c); err != nil || len(held) != nodes {
			return fmt.Errorf("%v hold something, %w", held, err)
		}
		var plan mapjson.Plan
		if err := json.Unmarshal([]byte(admin(t, c, "plan", "--json")), &plan); err != nil {
			return err
		}
		if n := len(plan.Moves) + plan.Underway; n > 0 {
			return fmt.Errorf("%d moves", n)
		}
		return nil
	})
	whole(t, c)
	held, err := holds(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// holds counts the replicas in sync of each node.
func holds(t *testing.T, c *cluster.Cluster) (map[partition.NodeID]int, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	held := map[partition.NodeID]int{}
	for _, one := range p.Partitions {
		for _, r := range one.Replicas {
			held[r]++
		}
	}
	return held, nil
}

func duty(t *testing.T, c *cluster.Cluster, id string) (partition.Duty, bool) {
	t.Helper()
	var told struct {
		Nodes []mapjson.Node `json:"nodes"`
	}
	if err := json.Unmarshal([]byte(admin(t, c, "nodes", "--json")), &told); err != nil {
		t.Fatal(err)
	}
	for _, n := range told.Nodes {
		if string(n.ID) == id {
			return n.Duty, true
		}
	}
	return 0, false
}

// Nodes join, are drained, given their share again, killed and replaced, come back
// too late, and are removed, one after another, under writes and reads through
// all that live. No request fails, and nothing is lost.
func TestTheClusterGrowsAndShrinks(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 3, Spare: 2, Partitions: 24, CoordinatorFlags: []string{"--replace-after", "2s"}})
	h := strike(t, c, keysFor("elastic", 8))

	for range 2 {
		if _, err := c.Join(); err != nil {
			t.Fatal(err)
		}
	}
	held := settles(t, c, 5)
	t.Logf("two have joined: %v, longest pause of a key %v", held, h.reset())
	for id, n := range held {
		if n < 14 || n > 15 {
			t.Errorf("%s holds %d replicas of 72", id, n)
		}
	}

	admin(t, c, "drain", "n1")
	held = settles(t, c, 4)
	t.Logf("n1 is drained: %v, longest pause %v", held, h.reset())
	if held["n1"] != 0 {
		t.Errorf("n1 holds %d replicas", held["n1"])
	}
	if files := storedPartitions(t, c.Member("n1")); files > 0 {
		t.Errorf("n1 has %d copies on its disk", files)
	}
	admin(t, c, "undrain", "n1")
	if held = settles(t, c, 5); held["n1"] < 14 {
		t.Errorf("n1 holds %d replicas of 72", held["n1"])
	}
	h.reset()

	must(t, c.Member("n2").Kill())
	eventually(t, 20*time.Second, "n2 is replaced", func() error {
		if d, _ := duty(t, c, "n2"); d != partition.Replaced {
			return fmt.Errorf("n2 is %v", d)
		}
		return nil
	})
	held = settles(t, c, 4)
	t.Logf("n2 is replaced: %v, longest pause %v", held, h.reset())
	must(t, c.Member("n2").Start())
	eventually(t, 20*time.Second, "n2 is back", func() error {
		if d, _ := duty(t, c, "n2"); d != partition.Full {
			return fmt.Errorf("n2 is %v", d)
		}
		return nil
	})
	if held = settles(t, c, 5); held["n2"] < 14 {
		t.Errorf("n2 holds %d replicas of 72", held["n2"])
	}
	h.reset()

	h.end() // the client's list of servers names n3, which is going to end
	admin(t, c, "remove", "n3")
	n3 := c.Member("n3")
	exitsWith(t, n3, 8, "removed from the cluster")
	c.Leave(n3)
	if held = settles(t, c, 4); held["n3"] != 0 {
		t.Errorf("after the removal of n3: %v", held)
	}
	must(t, n3.Start()) // with its disk it is refused again and again
	exitsWith(t, n3, 8, "removed from the cluster")
	if out, err := adminMay(t, c, "drain", "n1"); err != nil {
		t.Errorf("drain n1: %s", out)
	}
	if out, err := adminMay(t, c, "drain", "n2"); err == nil || !strings.Contains(out, "too few other nodes") {
		t.Errorf("drain n2, which leaves two: %v\n%s", err, out)
	}
}

// storedPartitions waits until a node has no partition's file, and counts them.
func storedPartitions(t *testing.T, m *cluster.Member) int {
	t.Helper()
	var files []string
	eventually(t, 10*time.Second, "copies are deleted", func() error {
		var err error
		if files, err = filepath.Glob(filepath.Join(m.Data, "partitions", "*.db")); err != nil {
			return err
		}
		if len(files) > 0 {
			return fmt.Errorf("%d copies", len(files))
		}
		return nil
	})
	return len(files)
}
