package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
	"github.com/holdfast-io/holdfast/scripts/internal/workload"
)

// older is how many keys of earlier rounds are read after each loss.
const older = 50

// verify checks what the last round's clients saw, once they have ended: keys that
// were in use, and some earlier ones. No replicas may differ, and every node must
// have the store that it had.
func (p *power) verify(ctx context.Context) error {
	operations := p.history.Operations()
	used, before := map[string]bool{}, map[string]bool{}
	for _, o := range operations[p.checked:] {
		used[o.Key] = true
	}
	for _, o := range operations[:p.checked] {
		before[o.Key] = !used[o.Key]
	}
	maps.DeleteFunc(before, func(_ string, earlier bool) bool { return !earlier })
	keys := slices.Sorted(maps.Keys(before))
	p.random.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	keys = append(keys[:min(older, len(keys))], slices.Sorted(maps.Keys(used))...)
	return p.judge(ctx, keys)
}

// verifyAll checks every key that there has been.
func (p *power) verifyAll(ctx context.Context) error {
	return p.judge(ctx, p.history.Keys())
}

func (p *power) judge(ctx context.Context, keys []string) error {
	p.clients++
	if err := workload.Read(ctx, p.loads[0], p.clients, keys); err != nil {
		return err
	}
	wanted := map[string]bool{}
	for _, key := range keys {
		wanted[key] = true
	}
	all := p.history.Operations()
	p.checked = len(all)
	p.results.count(all)
	some := slices.DeleteFunc(all, func(o history.Operation) bool { return !wanted[o.Key] })
	v := history.Check(some, p.patience, filepath.Join(p.dir, "not-linearizable.html"))
	if !v.Good() {
		var text strings.Builder
		v.Print(&text)
		return errors.New(strings.TrimSpace(text.String()))
	}
	if err := workload.SameHashes(ctx, p.cluster, p.partitions); err != nil {
		return err
	}
	stores, err := p.storesNow(ctx)
	if err == nil && !maps.Equal(stores, p.stores) {
		err = fmt.Errorf("a node has lost its store: they were %v, and are %v", p.stores, stores)
	}
	return err
}

// storesNow returns the nodes' stores as the coordinators know them.
func (p *power) storesNow(ctx context.Context) (map[partition.NodeID]partition.StoreID, error) {
	var errs []error
	for _, c := range p.cluster.Coordinators {
		var nodes mapjson.Nodes
		if err := c.Ask(ctx, "/v1/nodes", &nodes); err != nil {
			errs = append(errs, err)
			continue
		}
		stores := map[partition.NodeID]partition.StoreID{}
		for _, n := range nodes.Nodes {
			stores[n.ID] = n.Store
		}
		return stores, nil
	}
	return nil, errors.Join(errs...)
}
