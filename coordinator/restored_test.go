package coordinator_test

import (
	"os"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
)

func TestOnlyACoordinatorsDirectoryIsMarked(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	refused := func(dir, want string) {
		t.Helper()
		if m, err := coordinator.MarkRestored(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, %v; want an error with %q", m, err, want)
		}
	}
	empty := t.TempDir()
	refused(empty, "no coordinator's directory")
	if list, err := os.ReadDir(empty); err != nil || len(list) > 0 {
		t.Errorf("it left %v, %v", list, err)
	}
	g.Start("c1")
	g.Stop("c1")
	refused(g.Dir("c1"), "has not joined a group")
	g.Start()
	sameCluster(t, g)
	refused(g.Dir("c1"), "in use")
	g.Stop("c1")
	first, err := coordinator.MarkRestored(g.Dir("c1"))
	if err != nil || first.ID != "c1" || first.Last == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := coordinator.MarkRestored(g.Dir("c1")); err != nil || again != first {
		t.Errorf("marked twice: %+v, then %+v, %v", first, again, err)
	}
}
