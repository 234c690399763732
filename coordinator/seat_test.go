package coordinator_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// order has the leader do something about a coordinator, once there is one that gets it
// through.
func order(t *testing.T, g *trio.Group, id, do string) (code int, body string) {
	t.Helper()
	trio.Eventually(t, do+" "+id+" to be answered", func() bool {
		w := httptest.NewRecorder()
		g.Leader(id).Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/coordinators/"+id+"/"+do, http.NoBody))
		code, body = w.Code, w.Body.String()
		return code != http.StatusServiceUnavailable
	})
	return code, body
}

func must(t *testing.T, g *trio.Group, id, do string) {
	t.Helper()
	trio.Eventually(t, do+" "+id, func() bool {
		code, body := order(t, g, id, do)
		if code != http.StatusOK {
			t.Logf("%s %s: %d %s", do, id, code, body)
		}
		return code == http.StatusOK
	})
}

// A coordinator whose disk is lost gets its place back with a new one: removed,
// and added when it waits for that. Afterwards it counts, and remembers.
func TestAnEmptiedCoordinatorIsReplaced(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start()
	leader := g.Leader().ID()
	at := slices.IndexFunc(g.IDs, func(id string) bool { return id != leader })
	lost := g.IDs[at]
	other := g.IDs[slices.IndexFunc(g.IDs, func(id string) bool { return id != leader && id != lost })]

	if code, body := order(t, g, lost, "add"); code != http.StatusConflict || !strings.Contains(body, "vacant") {
		t.Errorf("add one that is in: %d %s", code, body)
	}
	g.Stop(lost)
	g.Wipe(lost)
	if _, err := g.TryStart(lost); !errors.Is(err, coordinator.ErrEmptied) {
		t.Fatalf("started with an empty directory: %v", err)
	}
	must(t, g, lost, "remove")
	if code, body := order(t, g, other, "remove"); code != http.StatusConflict || !strings.Contains(body, lost) && !strings.Contains(body, "leads") {
		t.Errorf("remove a second: %d %s", code, body)
	}
	if code, body := order(t, g, lost, "add"); code != http.StatusConflict || !strings.Contains(body, "start it") {
		t.Errorf("add one that does not run: %d %s", code, body)
	}
	if _, err := g.TryStart(lost); err != nil {
		t.Fatal(err)
	}
	must(t, g, lost, "add")
	trio.Eventually(t, lost+" has the map", func() bool {
		return g.Member(lost).Map().Version > 0 && g.Member(lost).Map().Version == g.Leader().Map().Version
	})
	// With another away, nothing is committed without it.
	g.Stop(other)
	join(t, g, 1, 101, 1)
	g.Start(other)
	// Emptied once more it is refused once more: its place belongs to a directory.
	g.Leader(lost)
	g.Stop(lost)
	g.Wipe(lost)
	trio.Eventually(t, "a coordinator that was emptied again is refused", func() bool {
		c, err := g.TryStart(lost)
		if err == nil {
			g.Stop(c.ID())
		}
		return errors.Is(err, coordinator.ErrEmptied)
	})
}

// A removal that is sent again after the place was given away is not made again: it
// gets its first result. Nor does one that another operation has overtaken.
func TestARepeatedRemovalOfACoordinatorIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Start()
	leader := g.Leader()
	lost := others(g, leader.ID())[0]
	path := "/v1/coordinators/" + lost
	g.Stop(lost)
	g.Wipe(lost)
	removed := command(t, leader, "remove-1", path+"/remove", "")
	if removed.status != http.StatusOK {
		t.Fatalf("%+v", removed)
	}
	if _, err := g.TryStart(lost); err != nil {
		t.Fatal(err)
	}
	added := command(t, leader, "add-1", path+"/add", "")
	if added.status != http.StatusOK {
		t.Fatalf("%+v", added)
	}
	for _, id := range g.IDs {
		trio.Eventually(t, id+" knows the leader", func() bool { return g.Member(id).Leader() == leader.ID() })
		if again := command(t, g.Member(id), "remove-1", path+"/remove", ""); again.status != http.StatusOK || again.Ordered != removed.Ordered {
			t.Errorf("%s: %+v, want %+v", id, again, removed)
		}
		if again := command(t, g.Member(id), "add-1", path+"/add", ""); again.status != http.StatusOK || again.Ordered != added.Ordered {
			t.Errorf("%s: %+v, want %+v", id, again, added)
		}
	}
	var cluster mapjson.Cluster
	ask(t, leader, "GET", "/v1/cluster", "", &cluster)
	for _, c := range cluster.Coordinators {
		if c.State == "vacant" {
			t.Errorf("%+v: it was removed again", c)
		}
	}
}

// A removal stops half way, with an unknown outcome. The same operation goes on where
// it was; another command finds the place as it is.
func TestARemovalOfACoordinatorThatStoppedHalfWayGoesOn(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Change = steady
	g.Start()
	leader := g.Leader()
	rest := others(g, leader.ID())
	lost, path := rest[0], "/v1/coordinators/"+rest[0]+"/remove"
	g.Stop(lost)
	g.Network.CutBoth(leader.ID(), rest[1])
	if o := command(t, leader, "remove-1", path+"?timeout=200ms", ""); o.status != http.StatusGatewayTimeout {
		t.Errorf("%+v", o)
	}
	g.Network.HealAll()
	var o outcome
	trio.Eventually(t, "the removal's result", func() bool {
		o = command(t, leader, "remove-1", path, "")
		return o.status == http.StatusOK
	})
	if again := command(t, leader, "remove-1", path, ""); again.Ordered != o.Ordered {
		t.Errorf("%+v, want %+v", again, o)
	}
	if o := command(t, leader, "remove-2", path, ""); o.status != http.StatusConflict || !strings.Contains(o.Detail, "removed already") {
		t.Errorf("%+v", o)
	}
}
