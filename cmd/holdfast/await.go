package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
)

// await waits until a node is as it should be after a command that was applied, and
// shows what moves meanwhile. Whatever goes wrong from here on, the command stands.
func (f nodeFlags) await(ctx context.Context, t *terminal, detach bool, done coordinator.Ordered, holds func(*nodeTold) bool, what string) error {
	if detach {
		return f.told(t, done, fmt.Sprintf("is %v; holdfast moves tells how far it is", done.Duty))
	}
	shown := newMovesShown(t.err)
	defer shown.end()
	answered := time.Now()
	for {
		node, err := f.after(ctx, done.Version)
		switch {
		case err != nil && time.Since(answered) > f.Timeout:
			return f.stands(err)
		case err != nil:
		case node != nil && node.Duty != done.Duty:
			return coded{fmt.Errorf("%s is %v now: another command came after this one", f.Node, node.Duty), exitPrecondition}
		case holds(node):
			shown.end()
			return f.told(t, done, what)
		case node == nil:
			return coded{fmt.Errorf("%s is not in the cluster any more: another command came after this one", f.Node), exitPrecondition}
		}
		if err == nil {
			answered = time.Now()
			if moves, err := f.moves(ctx); err == nil {
				shown.show(moves)
			}
		}
		if err := pauseFor(ctx, watchEvery); err != nil {
			return f.stands(err)
		}
	}
}

// stands is the error of a wait that ended early.
func (f nodeFlags) stands(err error) error {
	return coded{fmt.Errorf("%s: the command was applied; how far it is cannot be told: %w. holdfast moves tells", f.Node, err), exitUnknown}
}

// after returns the node as a server sees it whose map has that version at least;
// nil where it is not in the map.
func (f nodeFlags) after(ctx context.Context, version uint64) (*nodeTold, error) {
	nodes, seen, err := f.tellNodes(ctx)
	if err != nil {
		return nil, err
	}
	if seen < version {
		return nil, fmt.Errorf("the server has version %d of the map, and the command made version %d", seen, version)
	}
	if i := slices.IndexFunc(nodes, func(n nodeTold) bool { return string(n.ID) == f.Node }); i >= 0 {
		return &nodes[i], nil
	}
	return nil, nil
}
