package dataplane

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/partition"
)

// coordinators is what the node needs of the coordinators' client.
type coordinators interface {
	Map() *partition.Map
	WaitMap(ctx context.Context, after uint64) error
	ClusterID() string
	Propose(change partition.Change)
	Cluster() client.Cluster
	// Err is why the coordinators do not accept this start now, or nil.
	Err() error
	Close() error
}

// membership is what the node knows of its cluster: nothing before it joined.
// Maps may come before join has returned; they are kept for whoever starts.
type membership struct {
	joined atomic.Pointer[joined]
	newest atomic.Pointer[partition.Map]

	mu     sync.Mutex
	follow func(m *partition.Map) // nil until start
}

type joined struct {
	id     string
	client coordinators
}

// cluster is the cluster's ID, "" before the node has joined.
func (s *membership) cluster() string {
	if j := s.joined.Load(); j != nil {
		return j.id
	}
	return ""
}

// latest is the newest map, nil before the first.
func (s *membership) latest() *partition.Map { return s.newest.Load() }

// onMap takes each map, in order.
func (s *membership) onMap(m *partition.Map) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest.Store(m)
	if s.follow != nil {
		s.follow(m)
	}
}

// start hands every map to follow from now on, the newest first.
func (s *membership) start(follow func(m *partition.Map)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow = follow
	if m := s.newest.Load(); m != nil {
		follow(m)
	}
}
