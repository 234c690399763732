package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/cluster"
)

// HashCheck is how often primaries compare the rolling hashes of their replicas.
const HashCheck = 2 * time.Second

// SameHashes waits until the replicas of every partition have been compared by
// their primary since everything healed, and none was found to differ, then or
// ever.
func SameHashes(ctx context.Context, c *cluster.Cluster, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	before := -1.0
	// Each partition is compared once in a period: after two of them, with as
	// many comparisons as that makes, none was left out.
	return c.Wait(ctx, "all replicas to be compared", func(ctx context.Context) error {
		equal, different, aside := 0.0, 0.0, 0.0
		for _, m := range c.Nodes {
			counted, err := m.Metrics(ctx)
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
