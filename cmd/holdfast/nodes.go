package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

type nodesCommand struct {
	serverFlags
}

// nodeTold is a node with what it holds.
type nodeTold struct {
	mapjson.Node
	Primaries int `json:"primaries"`
	Replicas  int `json:"replicas"` // in sync
	Learners  int `json:"learners"`
}

// Run lists the nodes.
func (c *nodesCommand) Run(ctx context.Context, t *terminal) error {
	nodes, _, err := c.tellNodes(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, map[string]any{"nodes": nodes})
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tSTATE\tDUTY\tZONE\tWEIGHT\tPRIMARY OF\tIN SYNC\tLEARNING\tADDRESS")
	for _, n := range nodes {
		fmt.Fprintf(table, "%s\t%s\t%v\t%s\t%d\t%d\t%d\t%d\t%s\n",
			n.ID, n.State, n.Duty, dash(n.Zone), n.Weight, n.Primaries, n.Replicas, n.Learners, n.HTTPAddr)
	}
	return table.Flush()
}

// tellNodes returns the nodes with what they hold, and the version of the map that
// this is at least as new as.
func (f serverFlags) tellNodes(ctx context.Context) ([]nodeTold, uint64, error) {
	nodes, err := askCluster(ctx, f, (*client.Client).Nodes)
	if err != nil {
		return nil, 0, err
	}
	partitions, err := askCluster(ctx, f, (*client.Client).Partitions)
	if err != nil {
		return nil, 0, err
	}
	told := make([]nodeTold, len(nodes.Nodes))
	of := map[partition.NodeID]*nodeTold{}
	for i, n := range nodes.Nodes {
		told[i].Node = n
		of[n.ID] = &told[i]
	}
	add := func(id partition.NodeID, field func(*nodeTold) *int) {
		if n := of[id]; n != nil {
			*field(n)++
		}
	}
	for _, p := range partitions.Partitions {
		add(p.Primary, func(n *nodeTold) *int { return &n.Primaries })
		for _, id := range p.Replicas {
			add(id, func(n *nodeTold) *int { return &n.Replicas })
		}
		for _, id := range p.Learners {
			add(id, func(n *nodeTold) *int { return &n.Learners })
		}
	}
	return told, min(nodes.Version, partitions.Version), nil
}

// nodeFlags are those of orders about a node.
type nodeFlags struct {
	adminFlags
	Node string `arg:"" help:"The node: n1."`
}

// do sends an order about the node.
func (f nodeFlags) do(ctx context.Context, order string, body any) (done coordinator.Ordered, err error) {
	return done, f.command(ctx, f.path(order), body, &done)
}

func (f nodeFlags) path(order string) string {
	return "/v1/nodes/" + url.PathEscape(f.Node) + "/" + order
}

type drainCommand struct {
	nodeFlags
	Detach bool `help:"Return at once; holdfast moves tells how far it is."`
}

// Run has a node give everything away.
func (c *drainCommand) Run(ctx context.Context, t *terminal) error {
	done, err := c.do(ctx, "drain", nil)
	if err != nil {
		return err
	}
	return c.await(ctx, t, c.Detach, done, func(n *nodeTold) bool { return n != nil && n.Replicas+n.Learners == 0 }, "is drained: it holds nothing")
}

type undrainCommand struct{ nodeFlags }

// Run gives a node its share again.
func (c *undrainCommand) Run(ctx context.Context, t *terminal) error {
	done, err := c.do(ctx, "undrain", nil)
	if err != nil {
		return err
	}
	return c.told(t, done, "gets its share again")
}

type weightCommand struct {
	nodeFlags
	Weight uint32 `arg:"" help:"The weight: a node of weight 2 gets twice as much as one of weight 1."`
}

// Run sets a node's weight.
func (c *weightCommand) Run(ctx context.Context, t *terminal) error {
	done, err := c.do(ctx, "weight", map[string]uint32{"weight": c.Weight})
	if err != nil {
		return err
	}
	return c.told(t, done, fmt.Sprintf("has weight %d", done.Weight))
}

type acceptStartCommand struct {
	nodeFlags
	Store string `help:"The store ID of the directory, where several were refused: 16 hexadecimal digits." placeholder:"ID" env:"-"`
}

// Run says that a data directory is the right one, which the coordinators refuse
// because they cannot tell.
func (c *acceptStartCommand) Run(ctx context.Context, t *terminal) error {
	body := map[string]string{}
	if c.Store != "" {
		var store partition.StoreID
		if err := store.UnmarshalText([]byte(c.Store)); err != nil {
			return usage(fmt.Errorf("--store: %w", err))
		}
		body["store_id"] = c.Store
	}
	done, err := c.do(ctx, "accept-start", body)
	if err != nil {
		return err
	}
	return c.told(t, done, "may start with that directory; where other replicas are in sync, it learns from them")
}

type removeCommand struct {
	nodeFlags
	Lost   bool `help:"Its process is stopped for good and its disk is gone: take it out at once." env:"-"`
	Yes    bool `help:"With --lost: do it without asking." env:"-"`
	Detach bool `help:"Return at once; holdfast moves tells how far it is."`
}

// removeBody is the body of the order.
type removeBody struct {
	Lost        bool   `json:"lost"`
	Confirm     bool   `json:"confirm"`
	Incarnation uint64 `json:"incarnation,omitempty"` // of the preview
}

// Run takes a node out of the cluster.
func (c *removeCommand) Run(ctx context.Context, t *terminal) error {
	if c.Lost {
		return c.giveUp(ctx, t)
	}
	done, err := c.do(ctx, "remove", removeBody{})
	if err != nil {
		return err
	}
	return c.await(ctx, t, c.Detach, done, func(n *nodeTold) bool { return n == nil }, "is removed")
}

// giveUp removes a node with what it has, after it has said what that may lose.
func (c *removeCommand) giveUp(ctx context.Context, t *terminal) error {
	var preview coordinator.Ordered
	if err := c.look(ctx, c.path("remove"), removeBody{Lost: true}, &preview); err != nil {
		return err
	}
	if preview.Done { // by this operation, when it was sent before
		return c.told(t, preview, "is removed")
	}
	fmt.Fprintf(t.err, "%s: its process must be stopped for good. What this may lose: %s.\n", c.Node, preview.MayLose)
	if !c.Yes {
		fmt.Fprint(t.err, "Type yes to do it: ")
		line, _ := bufio.NewReader(t.in).ReadString('\n') // the end of input is no yes
		if strings.TrimSpace(line) != "yes" {
			return coded{errors.New("nothing was changed"), exitNotApplied}
		}
	}
	done, err := c.do(ctx, "remove", removeBody{Lost: true, Confirm: true, Incarnation: preview.Incarnation})
	if err != nil {
		return err
	}
	return c.told(t, done, "is removed")
}

func (f nodeFlags) told(t *terminal, done coordinator.Ordered, what string) error {
	if f.JSON {
		return printJSON(t.out, done)
	}
	_, err := fmt.Fprintf(t.out, "%s %s\n", f.Node, what)
	return err
}
