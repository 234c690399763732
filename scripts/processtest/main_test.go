// Package processtest holds what must be true of the real program, as
// processes on one machine: killed, paused, wiped and fed with nonsense. It has
// no code but tests; `make test` runs them after everything else.
package processtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// binary is the program under test, or the reason why there is none.
func binary(t *testing.T) string {
	t.Helper()
	path, err := cluster.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// start runs a cluster until the test ends. The logs of a failed test are
// copied to where they outlive it.
func start(t *testing.T, o cluster.Options) *cluster.Cluster {
	t.Helper()
	o.Binary, o.Dir = binary(t), t.TempDir()
	c, err := cluster.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			keepLogs(t, o.Dir)
		}
	})
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	whole(t, c)
	return c
}

func keepLogs(t *testing.T, dir string) {
	kept, err := os.MkdirTemp("", "holdfast-processtest-")
	if err != nil {
		t.Log(err)
		return
	}
	if err := os.CopyFS(kept, os.DirFS(filepath.Join(dir, "logs"))); err != nil {
		t.Log(err)
	}
	t.Logf("logs of the processes are in %s", kept)
}

// whole waits until every replica is in sync.
func whole(t *testing.T, c *cluster.Cluster) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.WaitWhole(ctx); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, within time.Duration, what string, holds func() error) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("%s, not within %v: %v", what, within, err)
		case <-tick.C:
		}
	}
}

// must runs steps that may not fail.
func must(t *testing.T, steps ...error) {
	t.Helper()
	for i, err := range steps {
		if err != nil {
			t.Fatal(fmt.Errorf("step %d: %w", i+1, err))
		}
	}
}
