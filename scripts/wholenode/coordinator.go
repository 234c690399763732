package main

import (
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"context"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/partition"
)

// replaceAfter is how long a node is away before others get its replicas: some of
// the faults last longer.
const replaceAfter = 3 * time.Second

// member is a coordinator over its starts.
type member struct {
	c    *cluster
	name string
	http string // address, the same at every start

	mu      sync.Mutex
	running *coordinator.Coordinator
}

// peerAddr is where a coordinator listens on the network in memory.
func peerAddr(name string) string { return name + ":7081" }

func (m *member) start() error {
	initial := map[string]string{}
	for _, other := range m.c.coordinators {
		initial[other.name] = peerAddr(other.name)
	}
	network := m.c.network
	running, err := coordinator.Start(coordinator.Config{
		ID: m.name, DataDir: filepath.Join(m.c.dir, m.name), HTTPAddr: m.http, PeerAddr: peerAddr(m.name), InitialCluster: initial,
		Settings: partition.Settings{
			Partitions: m.c.plan.shape.partitions, ReplicationFactor: replicas, MinInSync: 2, ExpectNodes: m.c.plan.shape.nodes,
		},
		Timings: coordinator.Timings{
			Found: time.Millisecond, ReplaceAfter: replaceAfter,
			// All processes share the machine's time with the race detector: with the
			// timeouts of production, leaders often fall by that alone.
			RaftHeartbeat: 600 * time.Millisecond, RaftElection: 600 * time.Millisecond, RaftLease: 500 * time.Millisecond,
		},
		Network: network.Host(m.name), Logger: m.c.log,
		DialStream: func(ctx context.Context, addr string, kind byte) (net.Conn, error) {
			return network.DialStream(ctx, m.name, addr, kind)
		},
	})
	if err != nil {
		return fmt.Errorf("start coordinator: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = running
	return nil
}

// crash ends the coordinator without a hand-over: its connections break first.
func (m *member) crash() error {
	m.c.resetLinks(m.name)
	return m.close()
}

// close ends the coordinator.
func (m *member) close() error {
	m.mu.Lock()
	running := m.running
	m.running = nil
	m.mu.Unlock()
	if running == nil {
		return nil
	}
	if err := running.Err(); err != nil {
		m.c.problem(fmt.Errorf("%s ended by itself: %w", m.name, err))
	}
	return running.Close()
}

// current returns the running start, or nil.
func (m *member) current() *coordinator.Coordinator {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running
}
