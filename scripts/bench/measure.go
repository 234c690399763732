package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/load"
)

// figure is what one system did at one operation and number of connections,
// over all rounds.
type figure struct {
	System      string    `json:"system"`
	Operation   string    `json:"operation"`
	Connections int       `json:"connections"`
	Rates       []float64 `json:"rates"` // of each round, requests a second
	P50us       float64   `json:"p50_us"`
	P99us       float64   `json:"p99_us"`
	CPUus       float64   `json:"cpu_us_per_operation"`
	Memory      int64     `json:"memory_bytes"`

	latency    load.Histogram
	cpu        time.Duration
	operations uint64
}

// rate is the median of the rounds.
func (f *figure) rate() float64 {
	sorted := slices.Sorted(slices.Values(f.Rates))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[len(sorted)/2]
}

// fillBytes bounds what is under way while the systems are filled.
const fillBytes = 512 << 10

// measureAll returns what it has also where it ends early.
func measureAll(ctx context.Context, p plan, systems []*system) ([]*figure, error) {
	for _, s := range systems {
		if !s.stores {
			continue
		}
		err := awake(ctx, s, func() error {
			r, err := load.Run(ctx, load.Config{Targets: s.targets, Dialect: s.dialect, Connections: min(64, max(1, fillBytes/p.valueSize)), Count: uint64(p.keys),
				Keys: p.keys, InOrder: true, KeyPrefix: "key-", ValueSize: p.valueSize})
			if err == nil && r.Failed() > 0 {
				err = fmt.Errorf("requests failed: %v", r.Errors)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("fill %s: %w", s.name, err)
		}
	}
	var figures []*figure
	for _, operation := range p.operations {
		for _, connections := range p.connections {
			row := make([]*figure, len(systems))
			for i, s := range systems {
				row[i] = &figure{System: s.name, Operation: operation, Connections: connections}
			}
			figures = append(figures, row...)
			for range p.rounds {
				for i, s := range systems {
					err := awake(ctx, s, func() error { return measure(ctx, p, s, row[i]) })
					if err != nil {
						return figures, fmt.Errorf("%s, %s at %d connections: %w", s.name, operation, connections, err)
					}
				}
			}
			progress(os.Stderr, row)
		}
	}
	return figures, nil
}

// awake runs f while the system is running and well, and the others are stopped.
func awake(ctx context.Context, s *system, f func() error) error {
	if err := s.resume(); err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.whole(waiting); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return s.pause()
}

func measure(ctx context.Context, p plan, s *system, f *figure) error {
	c := load.Config{Targets: s.targets, Dialect: s.dialect, Connections: f.Connections, Keys: p.keys, KeyPrefix: "key-",
		ValueSize: p.valueSize, Duration: p.warmUp, Seed: uint64(time.Now().UnixNano())}
	c.Reads = map[string]float64{"GET": 1, "MIX": 0.5}[f.Operation]
	if p.warmUp > 0 {
		if _, err := load.Run(ctx, c); err != nil {
			return err
		}
	}
	before, err := cpuTime(s.processes)
	if err != nil {
		return err
	}
	c.Duration = p.duration
	r, err := load.Run(ctx, c)
	if err != nil {
		return err
	}
	after, err := cpuTime(s.processes)
	if err != nil {
		return err
	}
	if r.Failed() > 0 || s.stores && r.Misses > 0 {
		return fmt.Errorf("%d requests failed %v, %d reads found nothing", r.Failed(), r.Errors, r.Misses)
	}
	resident, err := memory(s.processes)
	if err != nil {
		return err
	}
	f.latency.Add(&r.Puts)
	f.latency.Add(&r.Gets)
	f.cpu += after - before
	f.operations += r.Operations()
	f.Rates = append(f.Rates, r.Rate())
	f.P50us = float64(f.latency.Quantile(0.5).Nanoseconds()) / 1e3
	f.P99us = float64(f.latency.Quantile(0.99).Nanoseconds()) / 1e3
	f.CPUus = float64(f.cpu.Nanoseconds()) / 1e3 / float64(max(f.operations, 1))
	f.Memory = max(f.Memory, resident)
	return nil
}
