package cluster

import (
	"context"
	"errors"
	"os"
)

// With runs a whole cluster for as long as do takes. Without a directory it has a
// temporary one, and without a program the one that Binary returns.
func With(ctx context.Context, o Options, do func(c *Cluster) error) (err error) {
	if o.Dir == "" {
		if o.Dir, err = os.MkdirTemp("", "holdfast-cluster-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.Dir)) }()
	}
	if o.Binary == "" {
		if o.Binary, err = Binary(); err != nil {
			return err
		}
	}
	c, err := New(o)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Start(); err != nil {
		return err
	}
	if err := c.WaitWhole(ctx); err != nil {
		return err
	}
	return do(c)
}
