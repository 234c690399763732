package coordinator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// maxCallers bounds the programs that are remembered.
const maxCallers = 1024

// callers are the nodes and followers that have dialed this coordinator since its
// start. What a node says later replaces what it said before, but no node leaves a
// cluster: only one that starts on another directory belongs to none.
type callers struct {
	mu sync.Mutex
	by map[string]caller // by node; "" for all followers, which have no names
}

type caller struct {
	cluster string // "" if it belongs to none yet
	store   partition.StoreID
}

// note takes down who calls; true if that is new.
func (c *callers) note(h protocol.Hello) bool {
	name := h.Name
	switch h.Role {
	case protocol.RoleNode:
	case protocol.RoleFollower:
		if name = ""; h.ClusterID == "" {
			return false // it may follow any cluster
		}
	case protocol.RoleCoordinator:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[string]caller)
	}
	was, known := c.by[name]
	switch {
	case !known && len(c.by) >= maxCallers:
		return false
	case known && was.cluster == h.ClusterID && was.store == h.Store:
		return false
	case known && h.ClusterID == "" && was.store == h.Store:
		return false
	}
	c.by[name] = caller{cluster: h.ClusterID, store: h.Store}
	return true
}

// forget drops a node that is known to belong to some cluster, and did not say which.
func (c *callers) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[name].cluster == "" {
		delete(c.by, name)
	}
}

// of returns those that belong to a cluster other than the given one, sorted, and
// how many nodes belong to none.
func (c *callers) of(cluster string) (strangers []protocol.Stranger, fresh int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, one := range c.by {
		switch one.cluster {
		case "":
			fresh++
		case cluster:
		default:
			strangers = append(strangers, protocol.Stranger{Node: name, ClusterID: one.cluster})
		}
	}
	slices.SortFunc(strangers, func(a, b protocol.Stranger) int { return strings.Compare(a.Node, b.Node) })
	return strangers, fresh
}

// strangers are the callers that belong to another cluster than this one.
func (c *Coordinator) strangers() []protocol.Stranger {
	out, _ := c.callers.of(c.clusterID())
	return out
}

// clusterID is the cluster that this member belongs to; "" if there is none yet.
func (c *Coordinator) clusterID() string {
	if id := c.fsm.Map().ClusterID; id != "" {
		return id
	}
	return c.memberCopy().ClusterID
}

// strangersOf adds to our own what other members have heard.
func (c *Coordinator) strangersOf(answers map[string]protocol.Answer) []protocol.Stranger {
	out := c.strangers()
	for _, a := range answers {
		for _, s := range a.Strangers {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// errStrangers says why coordinators with empty directories found no cluster.
func errStrangers(list []protocol.Stranger) error {
	who := "a follower of the map"
	if list[0].Node != "" {
		who = "node " + list[0].Node
	}
	if more := len(list) - 1; more > 0 {
		who += fmt.Sprintf(" (and %d more)", more)
	}
	return fmt.Errorf("the data directories of the coordinators are empty, but %s belongs to cluster %s: no new cluster is founded. "+
		"Put the coordinators' directories back. Where they are lost for good, so is that cluster: keep the nodes' directories, "+
		"start the nodes with empty ones, and then the coordinators again", who, list[0].ClusterID)
}

// mayCreate reports whether the first leader may create the cluster: nobody who
// calls any member belongs to another one, and nodes of another one have had the
// time to call. They dial again every second or so. Enough nodes without a cluster
// show that this is a new one.
func (c *Coordinator) mayCreate(ctx context.Context) bool {
	own := c.memberCopy()
	answers := make(map[string]protocol.Answer)
	c.askAll(ctx, protocol.Seen{ID: own.ID, Store: own.Store}, answers)
	return c.mayFound(answers)
}

// mayFound is mayCreate, with what the other members have answered.
func (c *Coordinator) mayFound(answers map[string]protocol.Answer) bool {
	list := c.strangersOf(answers)
	c.noteStrangers(list)
	if len(list) > 0 {
		return false
	}
	_, fresh := c.callers.of("")
	return c.now() >= c.config.Timings.Found || fresh >= settingsWithDefaults(c.config.Settings).ExpectNodes
}

// noteStrangers keeps why no cluster is founded, and tells it the first time.
func (c *Coordinator) noteStrangers(list []protocol.Stranger) {
	if last := c.barring.Swap(&list); len(list) > 0 && (last == nil || !slices.Equal(*last, list)) {
		c.log.Error("no cluster is founded", "err", errStrangers(list))
	}
}

// barred is why no cluster is founded; nil if nothing speaks against it.
func (c *Coordinator) barred() error {
	if c.clusterID() != "" {
		return nil
	}
	if list := c.strangers(); len(list) > 0 {
		return errStrangers(list)
	}
	if list := c.barring.Load(); list != nil && len(*list) > 0 {
		return errStrangers(*list)
	}
	return nil
}

// strangersJSON is how status shows them.
func (c *Coordinator) strangersJSON() []mapjson.Stranger {
	out := []mapjson.Stranger{}
	for _, s := range c.strangers() {
		out = append(out, mapjson.Stranger{Node: s.Node, ClusterID: s.ClusterID})
	}
	return out
}
