package main

import (
	"context"
	"fmt"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

type locateCommand struct {
	serverFlags
	Key string `arg:"" help:"The key."`
}

// Run tells where a key belongs.
func (c *locateCommand) Run(ctx context.Context, t *terminal) error {
	l, err := askCluster(ctx, c.serverFlags, func(server *client.Client, ctx context.Context) (*mapjson.Location, error) {
		return server.Locate(ctx, c.Key)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, l)
	}
	primary := "it has no primary now"
	if l.Primary != "" {
		primary = "its primary is " + string(l.Primary)
	}
	_, err = fmt.Fprintf(t.out, "%q is in %v: %s, in sync are %s (epoch %d)\n", c.Key, l.Partition, primary, list(l.Replicas), l.Epoch)
	return err
}
