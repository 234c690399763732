package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/holdfast-io/holdfast/partition/mapjson"
)

type locateCommand struct {
	serverFlags
	Key string `arg:"" help:"The key."`
}

// Run tells where a key belongs.
func (c *locateCommand) Run(ctx context.Context, t *terminal) error {
	var l mapjson.Location
	err := c.firstAnswer(ctx, func(ctx context.Context, server string) error {
		return exchange(ctx, http.MethodGet, server+"/v1/locate/"+url.PathEscape(c.Key), nil, &l)
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
