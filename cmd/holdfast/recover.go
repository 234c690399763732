package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/partition"
)

type recoverCommand struct {
	adminFlags
	Partition string `required:"" help:"The partition: 5 or partition-5." placeholder:"N" env:"-"`
	Node      string `help:"The node whose replica is promoted; default the best one." placeholder:"ID" env:"-"`
}

// Run promotes an eligible replica.
func (c *recoverCommand) Run(ctx context.Context, t *terminal) error {
	o, err := orderOf(c.Partition, c.Node)
	if err != nil {
		return err
	}
	done, err := c.order(ctx, "/v1/recover", o)
	if err != nil {
		return err
	}
	return c.tell(t, done)
}

type unsafeRecoverCommand struct {
	adminFlags
	Partition string `required:"" help:"The partition: 5 or partition-5." placeholder:"N" env:"-"`
	Node      string `help:"The node whose copy is promoted; default the best one." placeholder:"ID" env:"-"`
	Yes       bool   `help:"Do it without asking." env:"-"`
}

// Run promotes the best copy left, after it has said what that may lose.
func (c *unsafeRecoverCommand) Run(ctx context.Context, t *terminal) error {
	o, err := orderOf(c.Partition, c.Node)
	if err != nil {
		return err
	}
	var preview coordinator.Recovery
	if err := c.look(ctx, "/v1/unsafe-recover", o, &preview); err != nil {
		return err
	}
	if preview.Done { // by this operation, when it was sent before
		return c.tell(t, preview)
	}
	fmt.Fprintf(t.err, "%v: the copy on %s would become the primary. What this may lose: %s.\n", preview.Partition, preview.Node, preview.MayLose)
	if !c.Yes {
		fmt.Fprint(t.err, "Type yes to do it: ")
		line, _ := bufio.NewReader(t.in).ReadString('\n') // the end of input is no yes
		if strings.TrimSpace(line) != "yes" {
			return coded{errors.New("nothing was changed"), exitNotApplied}
		}
	}
	// The copy that was shown, if the partition is as it was then.
	o.Node, o.Epoch, o.Confirm = preview.Node, preview.Epoch, true
	done, err := c.order(ctx, "/v1/unsafe-recover", o)
	if err != nil {
		return err
	}
	return c.tell(t, done)
}

// recoveryOrder is the body of both requests.
type recoveryOrder struct {
	Partition partition.ID     `json:"partition"`
	Node      partition.NodeID `json:"node,omitempty"`
	Epoch     partition.Epoch  `json:"epoch,omitempty"` // of the preview
	Confirm   bool             `json:"confirm,omitempty"`
}

func orderOf(id, node string) (recoveryOrder, error) {
	p, err := partition.ParseID(id)
	if err != nil {
		return recoveryOrder{}, usage(fmt.Errorf("--partition: %w", err))
	}
	return recoveryOrder{Partition: p, Node: partition.NodeID(node)}, nil
}

// order sends the order to the coordinators.
func (f adminFlags) order(ctx context.Context, path string, o recoveryOrder) (done coordinator.Recovery, err error) {
	return done, f.command(ctx, path, o, &done)
}

func (f adminFlags) tell(t *terminal, done coordinator.Recovery) error {
	if f.JSON {
		return printJSON(t.out, done)
	}
	_, err := fmt.Fprintf(t.out, "%v: %s is its primary, in epoch %d\n", done.Partition, done.Node, done.Epoch)
	return err
}
