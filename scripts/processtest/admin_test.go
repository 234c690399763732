package processtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// exitCode is what a command of the program ended with.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	t.Fatal(err)
	return -1
}

// nodeIn is a node as a server sees it.
func nodeIn(t *testing.T, c *cluster.Cluster, id partition.NodeID) (mapjson.Node, error) {
	t.Helper()
	var nodes mapjson.Nodes
	out, err := adminMay(t, c, "nodes", "--json")
	if err != nil {
		return mapjson.Node{}, fmt.Errorf("%w: %s", err, out)
	}
	if err := json.Unmarshal([]byte(out), &nodes); err != nil {
		return mapjson.Node{}, err
	}
	for _, n := range nodes.Nodes {
		if n.ID == id {
			return n, nil
		}
	}
	return mapjson.Node{}, fmt.Errorf("there is no %s", id)
}

// A drain reaches the leader while most coordinators hang. What it reports is what
// is known: exit code 5. The same command with the same ID tells the outcome, and is
// applied once, also after the node was undrained.
func TestADrainOfUnknownOutcomeIsSettledByItsID(t *testing.T) {
	c := start(t, cluster.Options{Nodes: 4})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var seen mapjson.Cluster
	must(t, c.Nodes[0].Ask(ctx, "/v1/cluster", &seen))
	var paused []*cluster.Member
	for _, m := range c.Coordinators {
		if m.Name != seen.Leader {
			must(t, m.Pause())
			paused = append(paused, m)
		}
	}
	drain := []string{"drain", "n4", "--detach", "--operation-id", "drain-n4"}
	begin := time.Now()
	out, err := adminMay(t, c, append(drain, "--timeout", "3s")...)
	if code := exitCode(t, err); code != 5 || !strings.Contains(out, "--operation-id drain-n4") {
		t.Errorf("exit code %d, want 5: %s", code, out)
	}
	if took := time.Since(begin); took > 6*time.Second {
		t.Errorf("it took %v with a timeout of 3s", took)
	}
	for _, m := range paused {
		must(t, m.Resume())
	}
	eventually(t, 20*time.Second, "the outcome is known", func() error {
		out, err := adminMay(t, c, drain...)
		if code := exitCode(t, err); code != 0 {
			return fmt.Errorf("exit code %d: %s", code, out)
		}
		return nil
	})
	is := func(want partition.Duty, weight uint32) {
		t.Helper()
		eventually(t, 20*time.Second, fmt.Sprintf("n4 is %v with weight %d", want, weight), func() error {
			n, err := nodeIn(t, c, "n4")
			if err == nil && (n.Duty != want || n.Weight != weight) {
				err = fmt.Errorf("it is %v with weight %d", n.Duty, n.Weight)
			}
			return err
		})
	}
	is(partition.Draining, 1)
	admin(t, c, "undrain", "n4")
	admin(t, c, drain...)
	admin(t, c, "weight", "n4", "2") // a map that shows this is newer than all of it
	is(partition.Full, 2)
}
