package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// hashCheck is how often primaries compare the rolling hashes of their replicas.
const hashCheck = 2 * time.Second

// sameHashes waits until the replicas of every partition have been compared by
// their primary since everything healed, and none was found to differ, then or
// ever.
func sameHashes(ctx context.Context, c *cluster.Cluster, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	before := -1.0
	// Each partition is compared once in a period: after two of them, with as
	// many comparisons as that makes, none was left out.
	return c.Wait(ctx, "all replicas to be compared", func(ctx context.Context) error {
		equal, different, aside := 0.0, 0.0, 0.0
		for _, m := range c.Nodes {
			counted, err := counters(ctx, m)
			if err != nil {
				return err
			}
			equal += counted[`holdfast_hash_checks_total{result="equal"}`]
			different += counted[`holdfast_hash_checks_total{result="different"}`]
			aside += counted["holdfast_copies_set_aside_total"]
		}
		if different+aside > 0 {
			return fmt.Errorf("replicas differ: %v comparisons said so, %v copies were put aside", different, aside)
		}
		if before < 0 {
			before = equal
		}
		if equal-before < float64(2*partitions) {
			return errors.New("not yet")
		}
		return nil
	})
}

var metricsClient = &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// counters reads the metrics of a node.
func counters(ctx context.Context, m *cluster.Member) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.HTTP+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := metricsClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	values := map[string]float64{}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			values[name] = v
		}
	}
	return values, lines.Err()
}
