package coordinator_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// With one of three coordinators away, another is not removed: the one that would be
// left could commit nothing. The group goes on as it is.
func TestACoordinatorIsNotRemovedWhereTooFewWouldStay(t *testing.T) {
	t.Parallel()
	g := trio.New(t, 3)
	g.Change = steady
	g.Start()
	leader := g.Leader()
	rest := others(g, leader.ID())
	g.Stop(rest[0])
	trio.Eventually(t, leader.ID()+" sees that "+rest[0]+" is away", func() bool {
		var cluster mapjson.Cluster
		ask(t, leader, "GET", "/v1/cluster", "", &cluster)
		for _, c := range cluster.Coordinators {
			if c.ID == rest[0] {
				return c.State == "unreachable"
			}
		}
		return false
	})
	o := command(t, leader, "remove-1", "/v1/coordinators/"+rest[1]+"/remove", "")
	if o.status != http.StatusConflict || !strings.Contains(o.Detail, "too few to go on") {
		t.Errorf("%+v", o)
	}
	if o := command(t, leader, "pause-1", "/v1/rebalance", `{"paused":true}`); o.status != http.StatusOK {
		t.Errorf("the two that are there do not commit: %+v", o)
	}
	g.Start(rest[0])
}
