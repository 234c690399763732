package main

import (
	"context"
	"errors"
	"fmt"
)

// hashResults counts comparisons of the rolling hashes of a partition's replicas,
// and the copies that were put aside as damaged.
type hashResults struct{ equal, different, aside float64 }

func (h hashResults) plus(o hashResults) hashResults {
	return hashResults{h.equal + o.equal, h.different + o.different, h.aside + o.aside}
}

// noteHashes adds the counts of the running start to those of earlier ones.
func (n *node) noteHashes() {
	now := n.hashes()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before, n.metrics = now, nil
}

// hashes counts over all starts of the node.
func (n *node) hashes() hashResults {
	n.mu.Lock()
	sum, metrics := n.before, n.metrics
	n.mu.Unlock()
	if metrics == nil {
		return sum
	}
	families, _ := metrics.Gather() // what there is without error is enough
	for _, family := range families {
		for _, m := range family.GetMetric() {
			value := m.GetCounter().GetValue()
			switch family.GetName() {
			case "holdfast_copies_set_aside_total":
				sum.aside += value
			case "holdfast_hash_checks_total":
				if m.GetLabel()[0].GetValue() == "equal" {
					sum.equal += value
				} else {
					sum.different += value
				}
			}
		}
	}
	return sum
}

// waitEqualHashes waits until the replicas of every partition have been compared
// since everything healed, and none was found to differ, then or ever.
func (c *cluster) waitEqualHashes(ctx context.Context) error {
	before := c.hashes()
	// Each partition is compared once in a period: after two of them, with as many
	// comparisons as that makes, none was left out.
	return c.wait(ctx, "all replicas to be compared", func() error {
		now := c.hashes()
		if now.different+now.aside > 0 {
			return fmt.Errorf("replicas differ: %v comparisons said so, %v copies were put aside", now.different, now.aside)
		}
		if now.equal-before.equal < float64(2*c.plan.shape.partitions) {
			return errors.New("not yet")
		}
		return nil
	})
}

func (c *cluster) hashes() (sum hashResults) {
	for _, n := range c.nodes {
		sum = sum.plus(n.hashes())
	}
	return sum
}
