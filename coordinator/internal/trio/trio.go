// Package trio runs groups of coordinators on a network in memory, for the
// tests of the coordinator and of its client. Only tests import it.
package trio

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
	"github.com/holdfast-io/holdfast/partition"
	"github.com/holdfast-io/holdfast/transport"
)

// Patience bounds every wait of a test.
const Patience = 20 * time.Second

// Group is a group of coordinators c1, c2, ... Each has its name as host on
// Network.
type Group struct {
	t       testing.TB
	Network *transport.Memory
	IDs     []string
	// Settings and the like that the next Start gives.
	Settings    partition.Settings
	Application string
	Change      func(*coordinator.Config) // last word on each configuration; may be nil

	dir     string
	mu      sync.Mutex
	running map[string]*coordinator.Coordinator
}

// New returns a group of that many, of which none runs. It is closed with the
// test.
func New(t testing.TB, members int) *Group {
	g := &Group{
		t: t, Network: transport.NewMemory(), dir: t.TempDir(), running: make(map[string]*coordinator.Coordinator),
		Settings: partition.Settings{Partitions: 8, ReplicationFactor: 3},
	}
	for i := range members {
		g.IDs = append(g.IDs, fmt.Sprintf("c%d", i+1))
	}
	t.Cleanup(func() { g.Stop(g.IDs...) })
	return g
}

// Addr is a member's peer address.
func Addr(id string) string { return id + ":7081" }

// Addrs are those of all members.
func (g *Group) Addrs() []string {
	var out []string
	for _, id := range g.IDs {
		out = append(out, Addr(id))
	}
	return out
}

// Config is what a member is started with.
func (g *Group) Config(id string) coordinator.Config {
	initial := make(map[string]string)
	for _, id := range g.IDs {
		initial[id] = Addr(id)
	}
	c := coordinator.Config{
		ID: id, DataDir: g.Dir(id), HTTPAddr: "127.0.0.1:0", PeerAddr: Addr(id), InitialCluster: initial,
		Settings: g.Settings, Application: g.Application, Network: g.Network.Host(id), Logger: Logger(g.t),
		DialStream: func(ctx context.Context, addr string, kind byte) (net.Conn, error) {
			return g.Network.DialStream(ctx, id, addr, kind)
		},
	}
	c.Timings.Found = time.Millisecond
	if g.Change != nil {
		g.Change(&c)
	}
	return c
}

// Logger shows warnings where HOLDFAST_TEST_LOG is set, and nothing otherwise.
func Logger(t testing.TB) *slog.Logger {
	if os.Getenv("HOLDFAST_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// Dir is a member's data directory.
func (g *Group) Dir(id string) string { return filepath.Join(g.dir, id) }

// Wipe empties a member's directory.
func (g *Group) Wipe(id string) {
	g.t.Helper()
	if err := os.RemoveAll(g.Dir(id)); err != nil {
		g.t.Fatal(err)
	}
}

// TryStart starts one member.
func (g *Group) TryStart(id string) (*coordinator.Coordinator, error) {
	c, err := coordinator.Start(g.Config(id))
	if err == nil {
		g.mu.Lock()
		g.running[id] = c
		g.mu.Unlock()
	}
	return c, err
}

// Start starts members, in that order; all of them if none is named.
func (g *Group) Start(ids ...string) {
	g.t.Helper()
	if len(ids) == 0 {
		ids = g.IDs
	}
	for _, id := range ids {
		if _, err := g.TryStart(id); err != nil {
			g.t.Fatal(err)
		}
	}
}

// Stop stops members, one after the other.
func (g *Group) Stop(ids ...string) {
	for _, id := range ids {
		g.mu.Lock()
		c := g.running[id]
		delete(g.running, id)
		g.mu.Unlock()
		if c != nil {
			_ = c.Close()
		}
	}
}

// Member is a running coordinator; nil if it does not run.
func (g *Group) Member(id string) *coordinator.Coordinator {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.running[id]
}

// Leader waits for a member that leads, other than those named, and that has
// created the cluster.
func (g *Group) Leader(not ...string) *coordinator.Coordinator {
	g.t.Helper()
	var leader *coordinator.Coordinator
	Eventually(g.t, "a leader", func() bool {
		for _, id := range g.IDs {
			if c := g.Member(id); c != nil && c.Leading() && !slices.Contains(not, id) {
				leader = c
				return true
			}
		}
		return false
	})
	return leader
}

// Eventually waits until a condition holds.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	timeout := time.After(Patience)
	for !holds() {
		select {
		case <-ticks.C:
		case <-timeout:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// T is the test that the group belongs to.
func (g *Group) T() testing.TB { return g.t }
