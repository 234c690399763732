package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

const (
	// startTimeout bounds a node's start: it waits for coordinators meanwhile.
	startTimeout = healTimeout
	// leaveTimeout bounds the hand-over of a node that is stopped gracefully.
	leaveTimeout = 5 * time.Second
	// hashCheck is how often primaries compare the hashes of their replicas.
	hashCheck = 500 * time.Millisecond
)

// node is a data node over its starts.
type node struct {
	c    *cluster
	name string
	http string // address, the same at every start

	mu      sync.Mutex
	dir     string
	lives   int // directories so far
	running *dataplane.Node
	disk    *disk // of the running start
	metrics *prometheus.Registry
	harmed  bool        // its end is our doing
	before  hashResults // of the starts that have ended
}

// start starts the node on its directory.
func (n *node) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	n.mu.Lock()
	n.disk, n.metrics, n.harmed = newDisk(), prometheus.NewRegistry(), false
	config := n.config()
	n.mu.Unlock()
	running, err := dataplane.Start(ctx, config)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = running
	return nil
}

func (n *node) config() dataplane.Config {
	shape := n.c.plan.shape
	timings := replica.DefaultTimings()
	if timings.HashCheck = hashCheck; shape.quick {
		timings.Lease, timings.Promise, timings.Beacon = 500*time.Millisecond, 625*time.Millisecond, 100*time.Millisecond
		timings.SlowSecondary, timings.Readmit = 500*time.Millisecond, time.Second
	}
	return dataplane.Config{
		NodeID: partition.NodeID(n.name), DataDir: n.dir, HTTPAddr: n.http, PeerAddr: n.name + ":7071",
		Coordinators: n.c.coordinatorAddrs(), Network: n.c.network.Host(n.name),
		MemoryTable: shape.memoryTable, LogRetention: shape.retention, DiskReserve: 1, Timings: timings,
		LogFiles: n.disk, Registerer: n.metrics, Gatherer: n.metrics,
		Logger: n.c.log.With("node", n.name), Failed: n.failed,
	}
}

// failed takes the end of a node that cannot go on.
func (n *node) failed(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.harmed {
		n.c.problem(fmt.Errorf("%s ended by itself: %w", n.name, err))
	}
}

// harm notes that the node's end from now on is our doing, and returns what runs.
func (n *node) harm() (*dataplane.Node, *disk) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.harmed = true
	return n.running, n.disk
}

// stop stops the node after it has handed over what it does.
func (n *node) stop() error {
	running, _ := n.harm()
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	running.Leave(ctx)
	return n.close(running)
}

// close ends the running start.
func (n *node) close(running *dataplane.Node) error {
	n.noteHashes()
	err := running.Close()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = nil
	if err != nil {
		return fmt.Errorf("close %s: %w", n.name, err)
	}
	return nil
}

// crash ends the node as a loss of power does: nothing reaches its log's disk any
// more, and what was not synced is lost, or some of it.
func (n *node) crash(seed uint64) error {
	running, disk := n.harm()
	disk.lost.Store(true)
	n.c.resetLinks(n.name)
	_ = n.close(running) // it says that its disk is gone
	return disk.loseUnsynced(n.dir, seed)
}

// failDisk lets the disk fail until the node has noticed, and ends the node.
func (n *node) failDisk(ctx context.Context, seed uint64) error {
	running, disk := n.harm()
	disk.failing.Store(true)
	select {
	case <-running.Done():
	case <-ctx.Done(): // nothing was written
	}
	return n.crash(seed)
}

// wipe gives the node an empty directory for its next start.
func (n *node) wipe() error {
	old := n.dir
	n.mu.Lock()
	n.lives++
	n.dir = filepath.Join(n.c.dir, fmt.Sprintf("%s-%d", n.name, n.lives))
	n.mu.Unlock()
	return errors.Join(os.RemoveAll(old), os.MkdirAll(n.dir, 0o700))
}

// isRunning reports whether a start is running.
func (n *node) isRunning() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.running != nil
}

// current returns the running start and its disk.
func (n *node) current() (*dataplane.Node, *disk) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.running, n.disk
}
