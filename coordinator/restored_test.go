package coordinator_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
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
	if err != nil || first.ID != "c1" || first.Last.Index == 0 || first.Last.Term == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if again, err := coordinator.MarkRestored(g.Dir("c1")); err != nil || again != first {
		t.Errorf("marked twice: %+v, then %+v, %v", first, again, err)
	}

	// The group notes it, and goes on: what is marked next is another backup.
	g.Start("c1")
	trio.Eventually(t, "c1 to have applied that", func() bool {
		var r coordinator.MapRecovery
		return ask(t, g.Member("c1"), http.MethodGet, "/v1/recover-map", "", &r) == http.StatusOK && r.Behind
	})
	g.Stop(g.IDs...)
	if later, err := coordinator.MarkRestored(g.Dir("c1")); err != nil || !later.Last.After(first.Last) {
		t.Errorf("marked at %+v, then at %+v, %v", first, later, err)
	}

	// An incomplete backup is not made to look like a whole one.
	if err := os.Remove(filepath.Join(g.Dir("c1"), "raft.db")); err != nil {
		t.Fatal(err)
	}
	refused(g.Dir("c1"), "raft.db is gone")
	if _, err := g.TryStart("c1"); !errors.Is(err, coordinator.ErrEmptied) {
		t.Errorf("it starts, or for another reason not: %v", err)
	}
}
