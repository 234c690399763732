package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/load"
)

// missed is how many writes a node misses.
const missed = 10_000

// returns kills a node, writes while it is away, and starts it again: how long is it
// until everything is in sync?
func (m *measurement) returns(ctx context.Context) error {
	n := m.cluster.Member("n3")
	if err := n.Kill(); err != nil {
		return err
	}
	writes := m.load()
	writes.Connections, writes.Rate, writes.Reads, writes.Count, writes.Targets = 32, 0, 0, missed, nil
	for _, o := range m.cluster.Nodes {
		if o != n {
			writes.Targets = append(writes.Targets, o.HTTP)
		}
	}
	r, err := load.Run(ctx, writes)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := n.Start(); err != nil {
		return err
	}
	if err := m.cluster.WaitReady(ctx); err != nil {
		return err
	}
	ready := time.Since(began)
	if err := m.cluster.WaitWhole(ctx); err != nil {
		return err
	}
	fmt.Printf("n3 was killed, and missed %d writes (%d failed): ready %.2f s after its start, in sync everywhere after %.2f s\n",
		missed, r.Failed(), ready.Seconds(), time.Since(began).Seconds())
	return nil
}
