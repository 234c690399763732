package coordinator

import (
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// What shows that another cluster lives is not undone by a caller that says less.
func TestCallersKeepWhoBelongsToAnotherCluster(t *testing.T) {
	t.Parallel()
	node := func(name, cluster string, store partition.StoreID) protocol.Hello {
		return protocol.Hello{Role: protocol.RoleNode, Name: name, ClusterID: cluster, Store: store}
	}
	follower := func(cluster string) protocol.Hello {
		return protocol.Hello{Role: protocol.RoleFollower, Name: "f", ClusterID: cluster}
	}
	for name, v := range map[string]struct {
		calls     []protocol.Hello
		forget    string
		strangers int
		fresh     int
	}{
		"new nodes":                        {calls: []protocol.Hello{node("n1", "", 1), node("n2", "", 2)}, fresh: 2},
		"nodes of this cluster":            {calls: []protocol.Hello{node("n1", "own", 1)}},
		"another cluster":                  {calls: []protocol.Hello{node("n1", "other", 1), node("n2", "", 2)}, strangers: 1, fresh: 1},
		"the same directory says less":     {calls: []protocol.Hello{node("n1", "other", 1), node("n1", "", 1)}, strangers: 1},
		"the same directory says more":     {calls: []protocol.Hello{node("n1", "", 1), node("n1", "other", 1)}, strangers: 1},
		"an empty directory":               {calls: []protocol.Hello{node("n1", "other", 1), node("n1", "", 2)}, fresh: 1},
		"a follower":                       {calls: []protocol.Hello{follower("other")}, strangers: 1},
		"a follower that knows no cluster": {calls: []protocol.Hello{follower("")}},
		"one follower after another":       {calls: []protocol.Hello{follower("other"), follower("")}, strangers: 1},
		"one that has a map":               {calls: []protocol.Hello{node("n1", "", 1), node("n2", "", 2)}, forget: "n1", fresh: 1},
		"one that said whose map":          {calls: []protocol.Hello{node("n1", "other", 1)}, forget: "n1", strangers: 1},
	} {
		c := &callers{}
		for _, h := range v.calls {
			c.note(h)
		}
		c.forget(v.forget)
		if strangers, fresh := c.of("own"); len(strangers) != v.strangers || fresh != v.fresh {
			t.Errorf("%s: strangers %v, %d without a cluster, want %d and %d", name, strangers, fresh, v.strangers, v.fresh)
		}
	}
}
