package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// healTimeout bounds how long a cluster without faults may take until all replicas
// are in sync, and each other wait of a round's end.
const healTimeout = 2 * time.Minute

// firstFinalCaller is the number of the first of the clients that check at the end.
const firstFinalCaller = 1000

// heal lets everything run, and waits until all replicas are in sync.
func (c *cluster) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	c.network.HealAll()
	if err := c.start(ctx); err != nil {
		return err
	}
	return c.wait(ctx, "all replicas to be in sync", c.whole)
}

// verify checks a cluster that has healed: every key is readable and writable
// through every node, values with a TTL end, and the replicas are equal.
func (l *load) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	keys := l.recorder.Keys()
	for i := range l.plan.shape.keys {
		keys = append(keys, keyName(0, i)) // also where the load came to nothing
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var asking errgroup.Group
	for i, n := range l.nodes {
		asking.Go(func() error {
			made, err := client.New(client.Config{Servers: []string{n.http}})
			if err != nil {
				return err
			}
			defer made.Close()
			c := &caller{load: l, number: firstFinalCaller + i, client: made, seen: map[string]sighting{}}
			// Each begins with another key, so that it reads what others have written.
			if err := c.useAll(slices.Concat(keys[i:], keys[:i])); err != nil {
				return fmt.Errorf("through %s, after everything has healed: %w", n.name, err)
			}
			return c.seeEnd(ctx, "ends-"+n.name)
		})
	}
	if err := asking.Wait(); err != nil {
		return err
	}
	return l.waitEqualHashes(ctx)
}

// useAll reads and writes every key.
func (c *caller) useAll(keys []string) error {
	for _, key := range keys {
		for _, o := range []history.Operation{
			{Client: c.number, Kind: history.Get, Key: key},
			{Client: c.number, Kind: history.Put, Key: key, Value: fmt.Sprintf("v%d", c.values.Add(1))},
		} {
			err := c.do(&o, 10*time.Second, false)
			c.add(o)
			if err == nil && o.Outcome != history.Applied {
				err = fmt.Errorf("%s of %s: %s %s", o.Kind, key, o.Outcome, o.Detail)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// seeEnd waits for the end of a value with a TTL.
func (c *caller) seeEnd(ctx context.Context, key string) error {
	const ttl = 200 * time.Millisecond
	o := history.Operation{Client: c.number, Kind: history.Put, Key: key, Value: fmt.Sprintf("v%d", c.values.Add(1)), TTL: ttl}
	if err := c.do(&o, 10*time.Second, false); err != nil {
		return err
	}
	c.add(o)
	return c.wait(ctx, "the end of "+key, func() error {
		o := history.Operation{Client: c.number, Kind: history.Get, Key: key}
		if err := c.do(&o, 10*time.Second, false); err != nil {
			return err
		}
		c.add(o)
		if o.Outcome == history.Applied && !o.Found {
			return nil
		}
		return errors.New("it is still there")
	})
}
