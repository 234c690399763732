package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// asking is what the questions about a cluster's health go out with; clients'
// requests have connections of their own.
var asking = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Ask gets a path from a member and decodes the JSON of a 200.
func (m *Member) Ask(ctx context.Context, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.HTTP+path, nil)
	if err != nil {
		return err
	}
	resp, err := asking.Do(req)
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: GET %s: %w", m.Name, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: GET %s: %d %.200s", m.Name, path, resp.StatusCode, body)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("%s: GET %s: %w", m.Name, path, err)
	}
	return nil
}

// Partitions returns the map's partitions as one of the running nodes has them.
func (c *Cluster) Partitions(ctx context.Context) (mapjson.Partitions, error) {
	var errs []error
	for _, m := range c.Members() {
		if !m.Running() || m.Paused() {
			continue
		}
		var p mapjson.Partitions
		err := m.Ask(ctx, "/v1/partitions", &p)
		if err == nil {
			return p, nil
		}
		errs = append(errs, err)
	}
	return mapjson.Partitions{}, errors.Join(append(errs, errors.New("nobody knows the map"))...)
}

// WaitReady waits until every running node says that it is ready.
func (c *Cluster) WaitReady(ctx context.Context) error {
	return c.Wait(ctx, "nodes to be ready", func(ctx context.Context) error {
		for _, m := range c.Nodes {
			if !m.Running() || m.Paused() {
				continue
			}
			if err := m.Ask(ctx, "/readyz", nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// WaitWhole waits until every running node is ready and every partition has a
// primary and as many replicas in sync as it should, none of them learning.
func (c *Cluster) WaitWhole(ctx context.Context) error {
	if err := c.WaitReady(ctx); err != nil {
		return err
	}
	return c.Wait(ctx, "every partition to be whole", c.Whole)
}

// Whole says why not every partition has a primary and as many replicas in sync
// as it should; nil if all have.
func (c *Cluster) Whole(ctx context.Context) error {
	p, err := c.Partitions(ctx)
	if err != nil {
		return err
	}
	if len(p.Partitions) == 0 {
		return errors.New("nothing is placed yet")
	}
	factor := min(3, len(c.Nodes))
	for _, one := range p.Partitions {
		if one.Primary == "" || len(one.Replicas) < factor {
			return fmt.Errorf("%s: primary %q, in sync %v, learners %v", one.ID, one.Primary, one.Replicas, one.Learners)
		}
	}
	return nil
}
