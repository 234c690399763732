package processtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// say runs one of the program's own commands against the coordinators, and returns
// its exit code and all that it printed.
func say(t *testing.T, c *cluster.Cluster, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, m := range c.Coordinators {
		args = append(args, "--server", m.HTTP)
	}
	out, err := exec.CommandContext(ctx, binary(t), args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("holdfast %s: %v", strings.Join(args, " "), err)
	}
	if exit != nil {
		return exit.ExitCode(), string(out)
	}
	return 0, string(out)
}

// readiness is what a process answers to /readyz.
func readiness(t *testing.T, m *cluster.Member) string {
	t.Helper()
	asking := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := asking.Get("http://" + m.HTTP + "/readyz")
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// fill puts keys, until each is acknowledged.
func fill(t *testing.T, c *cluster.Cluster, what string) (keys []string) {
	t.Helper()
	for i := range 12 {
		key := fmt.Sprintf("%s-%d", what, i)
		eventually(t, time.Minute, "put "+key, func() error {
			out, err := adminMay(t, c, "put", key, "value of "+key)
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		})
		keys = append(keys, key)
	}
	return keys
}

// have reads keys back.
func have(t *testing.T, c *cluster.Cluster, keys []string) {
	t.Helper()
	for _, key := range keys {
		if got := admin(t, c, "get", key); strings.TrimSpace(got) != "value of "+key {
			t.Errorf("%s is %q", key, got)
		}
	}
}

func endAll(t *testing.T, members []*cluster.Member) {
	t.Helper()
	for _, m := range members {
		must(t, m.Kill())
	}
}

// Coordinators come back from a backup that is older than a failed node, its return
// and a node that joined, and all processes are started again. Everything that was
// acknowledged is there once the map is recovered, and nothing serves the old map.
func TestCoordinatorsRestoredFromAnOldBackup(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Nodes: 3, Spare: 1, Partitions: 16})
	keys := fill(t, c, "before")
	backup := t.TempDir()
	endAll(t, c.Coordinators)
	for _, m := range c.Coordinators {
		must(t, os.CopyFS(filepath.Join(backup, m.Name), os.DirFS(m.Data)))
	}
	must(t, c.Start())

	// What the backup lacks: a failure, a return, a node, moves.
	n3 := c.Member("n3")
	must(t, n3.Kill())
	keys = append(keys, fill(t, c, "without-n3")...)
	must(t, n3.Start())
	whole(t, c)
	if _, err := c.Join(); err != nil {
		t.Fatal(err)
	}
	settles(t, c, 4)
	keys = append(keys, fill(t, c, "with-n4")...)

	endAll(t, c.Members())
	for _, m := range c.Coordinators {
		must(t, m.Wipe(), os.CopyFS(m.Data, os.DirFS(filepath.Join(backup, m.Name))))
	}
	must(t, c.Start())
	eventually(t, time.Minute, "status tells of the old map, and of who waits", func() error {
		code, out := say(t, c, "status")
		for _, want := range []string{"holdfast recover-map", "frozen", "n4"} {
			if code != 6 || strings.Contains(out, "All is well") || !strings.Contains(out, want) {
				return fmt.Errorf("exit code %d, without %q:\n%s", code, want, out)
			}
		}
		return nil
	})
	for _, m := range c.Nodes {
		eventually(t, time.Minute, m.Name+" waits, and says for what", func() error {
			if text := readiness(t, m); !strings.Contains(text, "not-ready") || !strings.Contains(text, "holdfast recover-map") {
				return fmt.Errorf("it is ready, or not for that: %s", text)
			}
			return nil
		})
	}
	for _, args := range [][]string{{"unsafe-recover", "--partition", "0", "--yes"}, {"drain", "n1"}} {
		if code, out := say(t, c, args...); code != 3 || !strings.Contains(out, "recover-map") {
			t.Errorf("%v: exit code %d: %s", args, code, out)
		}
	}
	if code, out := say(t, c, "recover-map", "--dry-run", "--lost", "n9"); code != 3 || !strings.Contains(out, "n9") {
		t.Errorf("a node that nobody has heard of: exit code %d: %s", code, out)
	}
	eventually(t, time.Minute, "the map is recovered", func() error {
		if code, out := say(t, c, "recover-map", "--yes"); code != 0 {
			return fmt.Errorf("exit code %d: %s", code, out)
		}
		return nil
	})
	whole(t, c)
	have(t, c, keys)
	have(t, c, fill(t, c, "after"))
	eventually(t, time.Minute, "all is well", func() error {
		if code, out := say(t, c, "status"); code != 0 {
			return errors.New(out)
		}
		return nil
	})
}

// The nodes that know better are down when the coordinators come back from a backup,
// and the one that runs would read what is old. Whoever restores says so, and nothing
// is decided without them.
func TestMarkedCoordinatorsWaitForTheNodes(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Nodes: 3, Partitions: 8})
	keys := fill(t, c, "before")
	backup := t.TempDir()
	endAll(t, c.Coordinators)
	for _, m := range c.Coordinators {
		must(t, os.CopyFS(filepath.Join(backup, m.Name), os.DirFS(m.Data)))
	}
	for _, m := range c.Coordinators {
		must(t, m.Start())
	}
	n3 := c.Member("n3")
	must(t, n3.Kill())
	keys = append(keys, fill(t, c, "without-n3")...)

	endAll(t, slices.Concat(c.Coordinators, []*cluster.Member{c.Member("n1"), c.Member("n2")}))
	for _, m := range c.Coordinators {
		must(t, m.Wipe(), os.CopyFS(m.Data, os.DirFS(filepath.Join(backup, m.Name))))
		out, err := exec.CommandContext(t.Context(), binary(t), "coordinators", "mark-restored", "--data-dir", m.Data).CombinedOutput()
		if err != nil || !strings.Contains(string(out), m.Name+" is marked as restored") {
			t.Fatalf("%v: %s", err, out)
		}
		must(t, m.Start())
	}
	must(t, n3.Start())
	eventually(t, time.Minute, "status tells of the old map, and of who is missing", func() error {
		code, out := say(t, c, "status")
		for _, want := range []string{"holdfast recover-map", "2 nodes have not reported", "n1, n2"} {
			if code != 6 || !strings.Contains(out, want) {
				return fmt.Errorf("exit code %d, without %q:\n%s", code, want, out)
			}
		}
		return nil
	})
	if code, out := say(t, c, "recover-map", "--yes"); code != 3 || !strings.Contains(out, "n1, n2") {
		t.Errorf("recovered without n1 and n2: exit code %d: %s", code, out)
	}
	if text := readiness(t, n3); !strings.Contains(text, "not-ready") {
		t.Errorf("n3 is ready: %s", text)
	}
	must(t, c.Member("n1").Start(), c.Member("n2").Start())
	eventually(t, time.Minute, "the map is recovered", func() error {
		if code, out := say(t, c, "recover-map", "--yes"); code != 0 {
			return fmt.Errorf("exit code %d: %s", code, out)
		}
		return nil
	})
	whole(t, c)
	have(t, c, append(keys, fill(t, c, "after")...))
}

// Coordinators that start with empty directories while the nodes run found no new
// cluster, and say how to go on; with their directories back all goes on.
func TestEmptiedCoordinatorsOfARunningCluster(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Nodes: 3, Partitions: 8})
	keys := fill(t, c, "before")
	aside := t.TempDir()
	endAll(t, c.Coordinators)
	for _, m := range c.Coordinators {
		must(t, os.Rename(m.Data, filepath.Join(aside, m.Name)))
	}
	must(t, c.Start())
	eventually(t, time.Minute, "the coordinators say why they found no cluster", func() error {
		for _, m := range c.Coordinators {
			if text := readiness(t, m); !strings.Contains(text, "belongs to cluster") || !strings.Contains(text, "directories back") {
				return fmt.Errorf("%s is ready, or not for that: %s", m.Name, text)
			}
		}
		if code, out := say(t, c, "status"); code != 6 || !strings.Contains(out, "Put the coordinators' directories back") {
			return fmt.Errorf("exit code %d: %s", code, out)
		}
		return nil
	})
	have(t, c, keys) // served without coordinators
	endAll(t, c.Coordinators)
	for _, m := range c.Coordinators {
		must(t, m.Wipe(), os.Rename(filepath.Join(aside, m.Name), m.Data))
	}
	must(t, c.Start())
	eventually(t, time.Minute, "all is well", func() error {
		if code, out := say(t, c, "status"); code != 0 {
			return errors.New(out)
		}
		return nil
	})
	have(t, c, append(keys, fill(t, c, "after")...))
}
