package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/partition/mapjson"
)

// steady writes and reads until it is told to end, through all nodes in turn. No
// request may fail.
func steady(ctx context.Context, nodes []string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	var mu sync.Mutex
	requests, longest := 0, time.Duration(0)
	var faults []error
	var working sync.WaitGroup
	for i := range 8 {
		working.Go(func() {
			c, err := client.New(client.Config{Servers: nodes, Spread: true})
			if err != nil {
				faults = append(faults, err)
				return
			}
			defer c.Close()
			for n := 0; ctx.Err() == nil; n++ {
				key, value := fmt.Sprintf("load:%d:%d", i, n%100), strconv.Itoa(n)
				began := time.Now()
				_, err := c.Put(ctx, key, []byte(value))
				took := time.Since(began)
				if err == nil {
					var v *client.Value
					if v, err = c.Get(ctx, key); err == nil && string(v.Data) != value {
						err = fmt.Errorf("%s has the value %q, not %q", key, v.Data, value)
					}
				}
				mu.Lock()
				if err != nil && ctx.Err() == nil {
					faults = append(faults, err)
				}
				requests += 2
				longest = max(longest, took)
				mu.Unlock()
			}
		})
	}
	working.Wait()
	fmt.Printf("%d requests, %d failed; the slowest write took %d ms.\n", requests, len(faults), longest.Milliseconds())
	return errors.Join(faults...)
}

// settle waits until so many nodes hold partitions, all as many, and nothing is
// left to move; then it tells how many replicas were moved since a mark, and how
// many had to be at least.
func settle(ctx context.Context, nodes []string, holders int, from string) error {
	var before mark
	var err error
	if from == "" {
		before, err = markNow(ctx, nodes)
	} else {
		err = json.Unmarshal([]byte(from), &before)
	}
	if err != nil {
		return err
	}
	var now map[partition.NodeID]int
	began := time.Now()
	err = wait(ctx, func() error {
		if now, err = holding(ctx, nodes); err != nil {
			return err
		}
		counts := slices.Collect(maps.Values(now))
		if len(counts) != holders || slices.Max(counts)-slices.Min(counts) > 1 {
			return fmt.Errorf("nodes hold %v", now)
		}
		return idle(ctx, nodes)
	})
	if err != nil {
		return err
	}
	after, err := replicasMoved(ctx, nodes)
	if err != nil {
		return err
	}
	least := 0
	for id, n := range now {
		least += max(0, n-before.Held[id])
	}
	if least == 0 && after == before.Moved {
		fmt.Printf("Primaries are where they should be after %.0f s. No replica had to move, and none did.\n", time.Since(began).Seconds())
		return nil
	}
	fmt.Printf("%d replicas moved in %.0f s; %d had to, at least.\n", after-before.Moved, time.Since(began).Seconds(), least)
	return nil
}

// mark is how things are before something is moved.
type mark struct {
	Moved int                      `json:"moved"` // replicas, so far
	Held  map[partition.NodeID]int `json:"held"`
}

func markNow(ctx context.Context, nodes []string) (m mark, err error) {
	if m.Moved, err = replicasMoved(ctx, nodes); err != nil {
		return m, err
	}
	m.Held, err = holding(ctx, nodes)
	return m, err
}

// printMark prints how things are, for settle.
func printMark(ctx context.Context, nodes []string) error {
	m, err := markNow(ctx, nodes)
	if err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	fmt.Println(string(text))
	return nil
}

// holding counts the replicas in sync of each node.
func holding(ctx context.Context, nodes []string) (map[partition.NodeID]int, error) {
	var m mapjson.Partitions
	if err := ask(ctx, nodes, "/v1/partitions", &m); err != nil {
		return nil, err
	}
	held := map[partition.NodeID]int{}
	for _, p := range m.Partitions {
		for _, r := range p.Replicas {
			held[r]++
		}
	}
	return held, nil
}

func coordinators(ctx context.Context, nodes []string) (addresses []string, err error) {
	var c mapjson.Cluster
	if err := ask(ctx, nodes, "/v1/cluster", &c); err != nil {
		return nil, err
	}
	for _, one := range c.Coordinators {
		addresses = append(addresses, one.HTTPAddr)
	}
	return addresses, nil
}

// idle fails while something moves, or is to be moved.
func idle(ctx context.Context, nodes []string) error {
	all, err := coordinators(ctx, nodes)
	if err != nil {
		return err
	}
	var plan mapjson.Plan
	if err := ask(ctx, all, "/v1/plan", &plan); err != nil {
		return err
	}
	if n := plan.Underway + len(plan.Moves); n > 0 {
		return fmt.Errorf("%d moves are left", n)
	}
	return nil
}

// replicasMoved counts the moves of replicas so far.
func replicasMoved(ctx context.Context, nodes []string) (sum int, err error) {
	all, err := coordinators(ctx, nodes)
	if err != nil {
		return 0, err
	}
	for _, one := range all {
		text, err := get(ctx, one, "/metrics")
		if err != nil {
			continue // the others lead
		}
		lines := bufio.NewScanner(strings.NewReader(string(text)))
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), "} ")
			if strings.HasPrefix(name, "holdfast_coordinator_moves_total") && strings.Contains(name, `event="begun"`) && strings.Contains(name, `kind="replica"`) {
				n, err := strconv.Atoi(value)
				if err != nil {
					return 0, err
				}
				sum += n
			}
		}
	}
	return sum, nil
}
