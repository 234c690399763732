package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

type statusCommand struct {
	serverFlags
}

// overview is what status tells, and prints as JSON.
type overview struct {
	Server     string          `json:"server"`
	Cluster    mapjson.Cluster `json:"cluster"`
	Nodes      []mapjson.Node  `json:"nodes"`
	Partitions int             `json:"partitions"`
	Degraded   []partition.ID  `json:"degraded"`        // fewer replicas in sync than the cluster keeps
	Below      []partition.ID  `json:"below_min"`       // too few for writes to be acknowledged
	Headless   []partition.ID  `json:"without_primary"` // neither reads nor writes
	// MapBehind says whether the coordinators went back to an old map; its frozen
	// partitions and waiting nodes are what holdfast recover-map goes on from. Null if
	// no coordinator answered.
	MapBehind *coordinator.MapRecovery `json:"map_behind"`
	// Waiting are starts that wait for holdfast accept-start, of nodes that are not
	// live otherwise.
	Waiting   []state.UnsettledStart `json:"waiting_starts"`
	Reasons   []string               `json:"reasons"` // why the cluster is degraded, in words; empty if it is well
	primaries map[string]int         // by node
	replicas  map[string]int
}

// Run tells how the cluster is; exit code 6 says that it is degraded.
func (c *statusCommand) Run(ctx context.Context, t *terminal) error {
	o, err := askCluster(ctx, c.serverFlags, func(server *client.Client, ctx context.Context) (*overview, error) {
		return gather(ctx, server, c.serverFlags)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(t.out, o)
	} else {
		o.print(t.out)
	}
	if err == nil && len(o.Reasons) > 0 {
		return exit(exitDegraded)
	}
	return err
}

// gather asks three questions; the answers may be of different servers.
func gather(ctx context.Context, c *client.Client, f serverFlags) (*overview, error) {
	cluster, err := c.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	f.askLeader(ctx, cluster)
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	partitions, err := c.Partitions(ctx)
	if err != nil {
		return nil, err
	}
	o := &overview{
		MapBehind: askCoordinators[coordinator.MapRecovery](ctx, f, cluster, "/v1/recover-map"),
		Cluster:   *cluster, Nodes: nodes.Nodes, Partitions: len(partitions.Partitions), Waiting: []state.UnsettledStart{},
	}
	if o.MapBehind != nil {
		o.takeStarts(askCoordinators[startsThatWait](ctx, f, cluster, "/v1/overrides"))
	}
	o.judge(partitions.Partitions)
	return o, nil
}

// startsThatWait are what the coordinators could not judge.
type startsThatWait struct {
	Starts []state.UnsettledStart `json:"unsettled_starts"`
}

// takeStarts keeps the starts that wait for the operator. If another start of the node
// is live, the refused one needs no decision.
func (o *overview) takeStarts(w *startsThatWait) {
	if w == nil {
		return
	}
	for _, s := range w.Starts {
		lives := slices.ContainsFunc(o.Nodes, func(n mapjson.Node) bool { return n.ID == s.Node && n.State == "live" })
		// While the map is behind, only recover-map can say whose word it needs.
		waits := s.Elsewhere && (!o.MapBehind.Behind || slices.Contains(o.MapBehind.Unvouched, s.Node))
		if (s.Disputed || waits) && !s.Chosen && !lives {
			o.Waiting = append(o.Waiting, s)
		}
	}
}

// judge finds everything that is not as it should be.
func (o *overview) judge(partitions []mapjson.Partition) {
	o.Degraded, o.Below, o.Headless, o.Reasons = []partition.ID{}, []partition.ID{}, []partition.ID{}, []string{}
	o.primaries, o.replicas = map[string]int{}, map[string]int{}
	s := o.Cluster.Settings
	for _, p := range partitions {
		if p.Primary == "" {
			o.Headless = append(o.Headless, p.ID)
		}
		if len(p.Replicas) < s.ReplicationFactor {
			o.Degraded = append(o.Degraded, p.ID)
		}
		if len(p.Replicas) < s.MinInSync {
			o.Below = append(o.Below, p.ID)
		}
		o.primaries[string(p.Primary)]++
		for _, r := range p.Replicas {
			o.replicas[string(r)]++
		}
	}
	add := func(format string, args ...any) { o.Reasons = append(o.Reasons, fmt.Sprintf(format, args...)) }
	serves := func(one mapjson.Coordinator) bool { return one.HTTPAddr != "" }
	switch b := o.MapBehind; {
	case b == nil && slices.ContainsFunc(o.Cluster.Coordinators, serves):
		add("no coordinator answers over HTTP: whether the map is frozen is not known")
	case b != nil && b.Behind:
		add("the coordinators went back to an old map, and change nothing: holdfast recover-map --dry-run says what is missing, holdfast recover-map ends this")
		if n := len(b.Frozen); n > 0 {
			add("%s, for nodes have adopted what the map lacks: %s", count(n, "partition is frozen", "partitions are frozen"), some(b.Frozen))
		}
		if n := len(b.Waiting); n > 0 {
			add("%s, and %s nothing: %s", count(n, "node is frozen", "nodes are frozen"), map[bool]string{true: "serves", false: "serve"}[n == 1], names(b.Waiting))
		}
		if n := len(b.Missing); n > 0 {
			add("%s not reported yet what is on its disk: %s", count(n, "node has", "nodes have"), names(b.Missing))
		}
	}
	for _, s := range o.Waiting {
		why := fmt.Sprintf("it runs at %s now, and no other live node has some of its partitions", s.PeerAddr)
		if s.Disputed {
			why = "its directory has another history than the map"
		}
		add("a start of node %s waits: %s. If that is the node's directory, and the earlier process is stopped: holdfast accept-start %s --store %v", s.Node, why, s.Node, s.Store)
	}
	if o.Cluster.Barred != "" {
		add("%s", o.Cluster.Barred)
	}
	for _, s := range o.Cluster.Strangers {
		if o.Cluster.Barred == "" {
			add("node %s of another cluster, %s, calls and is refused: it has the wrong coordinators, or the wrong data directory", nameOr(s.Node, "without a name"), s.ClusterID)
		}
	}
	if o.Cluster.Leader == "" {
		add("no coordinator leads: the map cannot change")
	}
	for _, c := range o.Cluster.Coordinators {
		switch c.State {
		case "unreachable":
			add("coordinator %s is unreachable", nameOr(c.ID, c.PeerAddr))
		case "vacant":
			add("the place of coordinator %s is vacant: start it with an empty directory, then say holdfast coordinators add %s", c.ID, c.ID)
		}
	}
	for _, n := range o.Nodes {
		if n.State != "live" {
			add("node %s is %s", n.ID, n.State)
		}
		if k := len(n.CorruptReplicas); k > 0 {
			add("node %s has %s, to be made anew once enough others are in sync: %s", n.ID, count(k, "corrupt copy", "corrupt copies"), some(n.CorruptReplicas))
		}
	}
	if len(partitions) == 0 {
		add("nothing is placed yet: the cluster waits for %d nodes, has %d", s.ExpectNodes, len(o.Nodes))
	}
	if n := len(o.Headless); n > 0 {
		add("%s: %s", count(n, "partition has", "partitions have")+" no primary and cannot be read or written", some(o.Headless))
	}
	if n := len(o.Below); n > 0 {
		add("%s than %d replicas in sync, and take no writes: %s", count(n, "partition has fewer", "partitions have fewer"), s.MinInSync, some(o.Below))
	}
	if n := len(o.Degraded); n > 0 {
		add("%s than %d replicas in sync: %s", count(n, "partition has fewer", "partitions have fewer"), s.ReplicationFactor, some(o.Degraded))
	}
}

func (o *overview) print(w io.Writer) {
	c := o.Cluster
	fmt.Fprintf(w, "Cluster %s, application %s, map version %d\n\n", c.ID, c.Application, c.Version)
	var coordinators []string
	for _, one := range c.Coordinators {
		name := nameOr(one.ID, one.PeerAddr)
		switch {
		case one.ID != "" && one.ID == c.Leader:
			name += " leads"
		case one.State != "follower" && one.State != "leader":
			name += " is " + one.State
		}
		coordinators = append(coordinators, name)
	}
	fmt.Fprintf(w, "Coordinators  %s\n", strings.Join(coordinators, ", "))
	for i, n := range o.Nodes {
		title := ""
		if i == 0 {
			title = "Nodes"
		}
		zone := ""
		if n.Zone != "" {
			zone = " in zone " + n.Zone
		}
		duty := ""
		if n.Duty != partition.Full {
			duty = ", " + n.Duty.String() + ","
		}
		fmt.Fprintf(w, "%-12s  %s is %s%s%s at %s: primary of %s, in sync for %d\n", title, n.ID, n.State, duty, zone, nameOr(n.HTTPAddr, n.PeerAddr),
			count(o.primaries[string(n.ID)], "partition", "partitions"), o.replicas[string(n.ID)])
	}
	s := c.Settings
	fmt.Fprintf(w, "Partitions    %d, %s each; %d must have a write before it is acknowledged\n\n",
		o.Partitions, count(s.ReplicationFactor, "replica", "replicas"), s.MinInSync)
	if len(o.Reasons) == 0 {
		fmt.Fprintln(w, "All is well: every partition has a primary and all its replicas in sync.")
		return
	}
	fmt.Fprintln(w, "Degraded:")
	for _, r := range o.Reasons {
		fmt.Fprintf(w, "  - %s\n", r)
	}
}

func nameOr(name, otherwise string) string {
	if name != "" {
		return name
	}
	return otherwise
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// some lists the first few partitions.
func some(ids []partition.ID) string {
	const most = 8
	var names []string
	for _, id := range ids[:min(len(ids), most)] {
		names = append(names, id.String())
	}
	text := strings.Join(names, ", ")
	if more := len(ids) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
