package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// Partitions tells, for every partition, its epoch and who has it; none before
// the first placement. Any server answers, from the map that it has.
func (c *Client) Partitions(ctx context.Context) (*mapjson.Partitions, error) {
	return ask[mapjson.Partitions](ctx, c, "partitions", "", "/v1/partitions")
}

// Partition tells it of one partition.
func (c *Client) Partition(ctx context.Context, id partition.ID) (*mapjson.Partition, error) {
	return ask[mapjson.Partition](ctx, c, "partition", id.String(), "/v1/partitions/"+id.String())
}

// Nodes tells the data nodes, and how each is as far as the server can tell.
func (c *Client) Nodes(ctx context.Context) (*mapjson.Nodes, error) {
	return ask[mapjson.Nodes](ctx, c, "nodes", "", "/v1/nodes")
}

// Cluster tells the cluster's identity, settings and coordinators.
func (c *Client) Cluster(ctx context.Context) (*mapjson.Cluster, error) {
	return ask[mapjson.Cluster](ctx, c, "cluster", "", "/v1/cluster")
}

// Locate tells a key's partition, and who has it. Nothing is read: the key need
// not have a value.
func (c *Client) Locate(ctx context.Context, key string) (*mapjson.Location, error) {
	return ask[mapjson.Location](ctx, c, "locate", key, "/v1/locate/"+url.PathEscape(key))
}

// ask reads something of the cluster. Its errors are those of a read of a key.
func ask[T any](ctx context.Context, c *Client, operation, subject, path string) (*T, error) {
	k := newCall(operation, http.MethodGet, subject, nil, nil)
	k.path = path
	a, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	out := new(T)
	if err := json.Unmarshal(a.body, out); err != nil {
		return nil, &Error{Operation: operation, Key: subject, Status: a.status, Kind: ErrNotApplied,
			Cause: fmt.Errorf("decode the answer: %w", err)}
	}
	return out, nil
}
