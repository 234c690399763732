package workload

import (
	"context"
	"fmt"

	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// ReadAll reads every key of the history once more, after everything has healed,
// with a client of that number.
func ReadAll(ctx context.Context, w *Workload, number int) error {
	return Read(ctx, w, number, w.History.Keys())
}

// Read is ReadAll of some keys.
func Read(ctx context.Context, w *Workload, number int, keys []string) error {
	reader := NewClient(w, number, 0)
	defer reader.http.CloseIdleConnections()
	for _, key := range keys {
		if err := reader.read(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// read reads a key, and once more if that fails: the connection may have been from
// before.
func (c *Client) read(ctx context.Context, key string) error {
	o := c.Do(history.Operation{Client: c.number, Kind: history.Get, Key: key})
	c.History.Add(o)
	if o.Outcome != history.Applied && ctx.Err() == nil {
		o = c.Do(history.Operation{Client: c.number, Kind: history.Get, Key: key})
		c.History.Add(o)
	}
	if o.Outcome != history.Applied {
		return fmt.Errorf("after everything has healed, %s cannot be read at %s: %s", key, o.Node, o.Detail)
	}
	return nil
}
