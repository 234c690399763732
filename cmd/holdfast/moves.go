package main

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

type planCommand struct {
	serverFlags
}

// Run tells what would be moved.
func (c *planCommand) Run(ctx context.Context, t *terminal) error {
	var plan mapjson.Plan
	if err := c.askCoordinators(ctx, "/v1/plan", &plan); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, plan)
	}
	for _, v := range plan.Moves {
		fmt.Fprintf(t.out, "%v: %s\n", v, v.Reason)
	}
	text := count(len(plan.Moves), "move", "moves")
	if len(plan.Moves) == 0 {
		text = "Nothing to move: replicas and primaries are where they should be"
	}
	if plan.Underway > 0 {
		text += fmt.Sprintf(", and %d under way", plan.Underway)
	}
	if plan.Paused {
		text += "; moves are paused, holdfast resume lets them begin"
	}
	_, err := fmt.Fprintln(t.out, text+".")
	return err
}

type movesCommand struct {
	serverFlags
	Watch bool `short:"w" help:"Go on until nothing moves any more."`
}

// Run tells what is being moved.
func (c *movesCommand) Run(ctx context.Context, t *terminal) error {
	if c.Watch {
		return c.watch(ctx, t)
	}
	moves, err := c.moves(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, moves)
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	if len(moves.Moves) > 0 {
		fmt.Fprintln(table, "PARTITION\tFROM\tTO\tSTEP\tPROGRESS\tREASON")
	}
	for _, v := range moves.Moves {
		to := v.To
		if v.Primary != "" {
			to = v.Primary
		}
		fmt.Fprintf(table, "%v\t%s\t%s\t%s\t%s\t%s\n", v.Partition, dash(string(v.From)), dash(string(to)), v.Step, progressOf(v), v.Reason)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	r := moves.Rebalance
	state := "begin as they are needed"
	if r.Paused {
		state = "are paused"
	}
	_, err = fmt.Fprintf(t.out, "%s under way. Moves %s: %d at once, %d for each node, %s.\n",
		count(len(moves.Moves), "move", "moves"), state, r.AtOnce, r.AtOnceEach, rateText(r.Throttle))
	return err
}

// progressOf tells what a learner has of the partition, or of the log after that.
func progressOf(v mapjson.Move) string {
	p := v.Progress
	switch {
	case v.Step != mapjson.StepCopy:
	case p.AllBytes > 0:
		return fmt.Sprintf("%v of %v", size(p.Bytes), size(p.AllBytes))
	case p.Want > 0:
		return fmt.Sprintf("%d of %d entries", p.Have, p.Want)
	}
	return "-"
}

func rateText(throttle int64) string {
	if throttle == 0 {
		return "unthrottled"
	}
	return fmt.Sprintf("%v a second from each node", size(throttle))
}

func (f serverFlags) moves(ctx context.Context) (moves mapjson.Moves, err error) {
	return moves, f.askCoordinators(ctx, "/v1/moves", &moves)
}

// rebalance changes how moves are made.
func (f adminFlags) rebalance(ctx context.Context, t *terminal, change map[string]any, what string) error {
	var done coordinator.Ordered
	if err := f.command(ctx, "/v1/rebalance", change, &done); err != nil {
		return err
	}
	if f.JSON {
		return printJSON(t.out, done)
	}
	_, err := fmt.Fprintln(t.out, what)
	return err
}

type pauseCommand struct{ adminFlags }

// Run lets no move begin.
func (c *pauseCommand) Run(ctx context.Context, t *terminal) error {
	return c.rebalance(ctx, t, map[string]any{"paused": true}, "No move begins; those under way end.")
}

type resumeCommand struct{ adminFlags }

// Run lets moves begin again.
func (c *resumeCommand) Run(ctx context.Context, t *terminal) error {
	return c.rebalance(ctx, t, map[string]any{"paused": false}, "Moves begin as they are needed.")
}

type throttleCommand struct {
	adminFlags
	Rate       string `arg:"" help:"Most that each node sends for moves in a second: 32MiB; at least 64KiB, or 0 for no bound. holdfast moves tells what it is."`
	AtOnce     int    `help:"Also: how many moves are under way at once; -1: as it is." default:"-1"`
	AtOnceEach int    `help:"Also: how many of them one node has to do with; -1: as it is." default:"-1"`
}

// Run bounds what moves take.
func (c *throttleCommand) Run(ctx context.Context, t *terminal) error {
	var rate size
	if c.Rate != "0" {
		if err := rate.UnmarshalText([]byte(c.Rate)); err != nil {
			return usage(fmt.Errorf("rate: %w; or 0, for no bound", err))
		}
	}
	change := map[string]any{"throttle": int64(rate)}
	if c.AtOnce >= 0 {
		change["at_once"] = c.AtOnce
	}
	if c.AtOnceEach >= 0 {
		change["at_once_each"] = c.AtOnceEach
	}
	what := "From now on moves take: " + rateText(int64(rate))
	if c.AtOnce >= 0 {
		what += fmt.Sprintf(", %d at once", c.AtOnce)
	}
	if c.AtOnceEach >= 0 {
		what += fmt.Sprintf(", %d for each node", c.AtOnceEach)
	}
	return c.rebalance(ctx, t, change, what+".")
}
