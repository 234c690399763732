package replica

import (
	"slices"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// The coordinators come back from an old backup, and count versions from there.
// What they change from then on must reach the replicas.
func TestTheMapOfRestoredCoordinatorsCounts(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	for range 5 {
		c.configure(func(*partition.Configuration) {})
	}
	c.settle()
	restored := *c.m
	restored.Version = 1
	c.m = &restored
	for _, n := range c.sorted() {
		n.g.SetMap(c.now, c.m)
	}
	c.configure(func(conf *partition.Configuration) { conf.Primary = "n2" })
	c.serve("n2") // once the read grants of n1 have run out
}

// The backup is older than the boots of today. Those that were named already
// go on until they have registered again: the data plane needs no coordinators.
func TestARestoredMapThatNamesAnEarlierBootStopsNobody(t *testing.T) { // W4
	t.Parallel()
	c := newCluster(t, 3)
	c.serve("n1")
	restored := *c.m
	restored.Nodes = slices.Clone(c.m.Nodes)
	for i := range restored.Nodes {
		restored.Nodes[i].Incarnation = 0
	}
	restored.Version = 0
	c.m = &restored
	for _, n := range c.sorted() {
		n.g.SetMap(c.now, c.m)
	}
	c.pass(3 * pauseLimit)
	c.do("n1", c.operation("put", Put, "k", "v"))
	c.want("put", Done)
	c.do("n1", c.operation("get", Get, "k", ""))
	c.want("get", Found)
}
