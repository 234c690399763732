package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/partition"
)

type recoverMapCommand struct {
	adminFlags
	Lost   []string `help:"Nodes whose disks are gone for good, or whose reports must not count." placeholder:"ID" env:"-"`
	DryRun bool     `help:"Say what would be done, and change nothing." env:"-"`
	Yes    bool     `help:"Do it without asking." env:"-"`
}

// recoverMapOrder is the body of the request.
type recoverMapOrder struct {
	Judged  uint64             `json:"judged,omitempty"` // of the preview
	Lost    []partition.NodeID `json:"lost,omitempty"`
	Confirm bool               `json:"confirm,omitempty"`
}

// Run has the coordinators, which went back to an old map, go on from what the
// nodes have. It says first what that comes to.
func (c *recoverMapCommand) Run(ctx context.Context, t *terminal) error {
	o := recoverMapOrder{}
	for _, id := range c.Lost {
		o.Lost = append(o.Lost, partition.NodeID(id))
	}
	var preview coordinator.MapRecovery
	if err := c.look(ctx, "/v1/recover-map", o, &preview); err != nil {
		return err
	}
	if preview.Done { // by this operation, when it was sent before
		return c.tell(t, preview)
	}
	if c.DryRun && c.JSON {
		return printJSON(t.out, preview)
	}
	out := t.err
	if c.DryRun {
		out = t.out
	}
	printMapRecovery(out, &preview)
	if len(preview.Missing) > 0 {
		return coded{fmt.Errorf("nodes have not reported yet: %s; start them, or name each with --lost if its disk is gone for good", names(preview.Missing)), exitPrecondition}
	}
	if len(preview.Unvouched) > 0 {
		return coded{fmt.Errorf("nodes have the only copy of a partition, and ran at another address before: %s. If the process there is stopped for good, and this is its directory and no copy of it: holdfast accept-start; otherwise start the node at its known address, or name it with --lost",
			names(preview.Unvouched)), exitPrecondition}
	}
	if c.DryRun {
		return nil
	}
	if !c.Yes {
		fmt.Fprint(t.err, "Type yes to do it: ")
		line, _ := bufio.NewReader(t.in).ReadString('\n') // the end of input is no yes
		if strings.TrimSpace(line) != "yes" {
			return coded{errors.New("nothing was changed"), exitNotApplied}
		}
	}
	// What was shown, if no other report has come since.
	o.Judged, o.Confirm = preview.Judged, true
	var done coordinator.MapRecovery
	if err := c.command(ctx, "/v1/recover-map", o, &done); err != nil {
		return err
	}
	return c.tell(t, done)
}

func (c *recoverMapCommand) tell(t *terminal, done coordinator.MapRecovery) error {
	if c.JSON {
		return printJSON(t.out, done)
	}
	_, err := fmt.Fprintf(t.out, "The map is recovered, and has version %d.\n", done.Version)
	return err
}

// printMapRecovery says what a recovery comes to.
func printMapRecovery(w io.Writer, p *coordinator.MapRecovery) {
	fmt.Fprintf(w, "The coordinators went back to an old map (version %d).\n", p.Version)
	line := func(what string, ids []partition.NodeID) {
		if len(ids) > 0 {
			fmt.Fprintf(w, "%-28s %s\n", what, names(ids))
		}
	}
	line("Nodes that have reported:", p.Reported)
	line("Nodes that have not:", p.Missing)
	line("Nodes to be vouched for:", p.Unvouched)
	line("Nodes that serve nothing:", p.Waiting)
	line("Nodes given up:", p.Lost)
	fmt.Fprintf(w, "%s in the nodes' state than in the map.\n", count(len(p.Frozen), "partition is further", "partitions are further"))
	loses := 0
	for i := range p.Partitions {
		one := &p.Partitions[i]
		primary := nameOr(string(one.Primary), "none")
		fmt.Fprintf(w, "  %v: epoch %d of the nodes follows epoch %d of the map; primary %s, in sync %s\n", one.ID, one.Adopted, one.Epoch, primary,
			nameOr(names(one.Replicas), "none"))
		if one.MayLose != "" {
			loses++
			fmt.Fprintf(w, "    may lose: %s\n", one.MayLose)
		}
	}
	if loses == 0 {
		fmt.Fprintln(w, "Nothing that was acknowledged is lost, if all nodes but those given up have reported.")
	}
}

func names(ids []partition.NodeID) string {
	var out []string
	for _, id := range ids {
		out = append(out, string(id))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}
