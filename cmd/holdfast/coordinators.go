package main

import (
	"context"
	"fmt"
	"net/url"
	"text/tabwriter"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/dataplane/client"
)

type coordinatorsCommand struct {
	List   coordinatorsListCommand   `cmd:"" default:"1" help:"List the coordinators."`
	Remove coordinatorsRemoveCommand `cmd:"" help:"Take one out of the group whose directory is lost; its place is vacant then."`
	Add    coordinatorsAddCommand    `cmd:"" help:"Give a vacant place to the coordinator that waits for it with an empty directory."`

	MarkRestored coordinatorsMarkRestoredCommand `cmd:"" help:"Say of a coordinator's directory, before the coordinator starts, that it was put back from a backup."`
}

type coordinatorsListCommand struct {
	serverFlags
}

// Run lists the coordinators.
func (c *coordinatorsListCommand) Run(ctx context.Context, t *terminal) error {
	cluster, err := askCluster(ctx, c.serverFlags, (*client.Client).Cluster)
	if err != nil {
		return err
	}
	c.askLeader(ctx, cluster)
	if c.JSON {
		return printJSON(t.out, map[string]any{"leader": cluster.Leader, "coordinators": cluster.Coordinators})
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COORDINATOR\tSTATE\tPEER ADDRESS\tHTTP ADDRESS")
	for _, one := range cluster.Coordinators {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", dash(one.ID), one.State, one.PeerAddr, dash(one.HTTPAddr))
	}
	return table.Flush()
}

// coordinatorFlags are those of orders about a coordinator.
type coordinatorFlags struct {
	adminFlags
	Coordinator string `arg:"" help:"The coordinator: c1."`
}

func (f coordinatorFlags) do(ctx context.Context, t *terminal, order, what string) error {
	var done coordinator.Ordered
	if err := f.command(ctx, "/v1/coordinators/"+url.PathEscape(f.Coordinator)+"/"+order, nil, &done); err != nil {
		return err
	}
	if f.JSON {
		return printJSON(t.out, done)
	}
	_, err := fmt.Fprintf(t.out, "%s %s\n", f.Coordinator, what)
	return err
}

type coordinatorsRemoveCommand struct{ coordinatorFlags }

// Run takes a coordinator out.
func (c *coordinatorsRemoveCommand) Run(ctx context.Context, t *terminal) error {
	return c.do(ctx, t, "remove", fmt.Sprintf("is out: start it with an empty directory, then say holdfast coordinators add %s", c.Coordinator))
}

type coordinatorsAddCommand struct{ coordinatorFlags }

// Run gives a vacant place away.
func (c *coordinatorsAddCommand) Run(ctx context.Context, t *terminal) error {
	return c.do(ctx, t, "add", "is one of the coordinators")
}

type coordinatorsMarkRestoredCommand struct {
	DataDir string `required:"" help:"The coordinator's directory; no process may run on it." placeholder:"DIR" env:"-"`
	JSON    bool   `help:"Print JSON."`
}

// Run marks the directory. It asks no server.
func (c *coordinatorsMarkRestoredCommand) Run(_ context.Context, t *terminal) error {
	marked, err := coordinator.MarkRestored(c.DataDir)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, marked)
	}
	_, err = fmt.Fprintf(t.out, "Coordinator %s is marked as restored. Mark the directories of the others too, and start all; the map is frozen then until holdfast recover-map.\n", marked.ID)
	return err
}
