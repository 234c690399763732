package dataplane

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

// trio stands for the coordinators: a map that the test sets, handed to every
// node that joins.
type trio struct {
	mu      sync.Mutex
	changed chan struct{} // closed with every new map
	current *partition.Map
	members []*member
	propose func(partition.Change) // called with mu not held
}

// member is one node's client.
type member struct {
	trio    *trio
	config  client.Config
	refused atomic.Pointer[error] // what Err returns
}

func newTrio(m *partition.Map) *trio {
	return &trio{changed: make(chan struct{}), current: m}
}

// join registers a node: its address and boot, and in the same map a higher
// epoch of every partition that lists it, so that nothing from an earlier boot
// counts. A new disk counts for nothing.
func (t *trio) join(_ context.Context, c client.Config) (coordinators, error) {
	m := &member{trio: t, config: c}
	t.change(func(next *partition.Map) {
		n := partition.Node{ID: c.NodeID, Store: c.Store, Incarnation: c.Start.Incarnation, StartID: c.Start.ID, HTTPAddr: c.HTTPAddr, PeerAddr: c.PeerAddr}
		for i := range next.Nodes {
			if next.Nodes[i].ID == c.NodeID {
				next.Nodes[i] = n
				for j := range next.Partitions {
					p := &next.Partitions[j]
					if !p.Lists(c.NodeID) {
						continue
					}
					p.Epoch++
					p.Learners = append([]partition.Replica(nil), p.Learners...)
					for k := range p.Learners {
						if p.Learners[k].Node == c.NodeID {
							p.Learners[k].Store = c.Store
						}
					}
				}
				return
			}
		}
		next.Nodes = append(next.Nodes, n)
	}, m)
	return m, nil
}

// change makes the next map and gives it to all members; joining is one more.
func (t *trio) change(f func(next *partition.Map), joining ...*member) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := *t.current
	next.Version++
	next.Nodes = append([]partition.Node(nil), next.Nodes...)
	next.Partitions = append([]partition.Configuration(nil), next.Partitions...)
	f(&next)
	t.current = &next
	t.members = append(t.members, joining...)
	for _, m := range t.members {
		m.config.OnMap(&next)
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

func (m *member) Map() *partition.Map {
	m.trio.mu.Lock()
	defer m.trio.mu.Unlock()
	return m.trio.current
}

func (m *member) WaitMap(ctx context.Context, after uint64) error {
	for {
		m.trio.mu.Lock()
		version, changed := m.trio.current.Version, m.trio.changed
		m.trio.mu.Unlock()
		if version > after {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (m *member) ClusterID() string { return "test cluster" }

func (m *member) Propose(c partition.Change) {
	if m.trio.propose != nil {
		m.trio.propose(c)
	}
}

func (m *member) Err() error {
	if err := m.refused.Load(); err != nil {
		return *err
	}
	return nil
}

func (m *member) Cluster() client.Cluster { return client.Cluster{Leader: "c1"} }

func (m *member) Close() error {
	m.trio.mu.Lock()
	defer m.trio.mu.Unlock()
	for i, other := range m.trio.members {
		if other == m {
			m.trio.members = append(m.trio.members[:i], m.trio.members[i+1:]...)
			break
		}
	}
	return nil
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(15 * time.Second)
	for !holds() {
		select {
		case <-look.C:
		case <-deadline:
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}
