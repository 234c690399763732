package partition

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrGap is returned where a delta does not continue the map it is applied to:
// the way on is a whole map.
var ErrGap = errors.New("the delta does not continue this map")

// Delta is what changed from one version of the map to a later one. Its cost is
// proportional to the change, not to the map.
type Delta struct {
	Since      uint64          `json:"since"`   // the version it applies to
	Base       uint64          `json:"base"`    // the history of that map
	Version    uint64          `json:"version"` // the version it leads to
	History    uint64          `json:"history"` // the history of the map that it leads to
	Cluster    *Cluster        `json:"cluster,omitempty"`
	Nodes      []Node          `json:"nodes,omitempty"`      // joined or changed, sorted by ID
	Left       []NodeID        `json:"left,omitempty"`       // nodes that are gone, sorted
	Partitions []Configuration `json:"partitions,omitempty"` // changed or placed, sorted by ID
	Rebalance  *Rebalance      `json:"rebalance,omitempty"`
	Moves      []Move          `json:"moves,omitempty"` // begun, sorted by partition
	Ended      []ID            `json:"ended,omitempty"` // partitions whose move has ended, sorted
}

// Cluster is the part of a map that is fixed at the cluster's creation.
type Cluster struct {
	ClusterID   string   `json:"cluster_id"`
	Application string   `json:"application"`
	Settings    Settings `json:"settings"`
}

// DeltaOf returns what leads from old to new, a later map of the same cluster.
// The delta shares the new map's lists, and keeps neither map in memory.
func DeltaOf(old, new *Map) Delta {
	d := Delta{Since: old.Version, Base: old.History, Version: new.Version, History: new.History}
	if is := clusterOf(new); is != clusterOf(old) {
		d.Cluster = &is
	}
	diff := Compare(old, new)
	for _, c := range diff.Nodes {
		if c.New == nil {
			d.Left = append(d.Left, c.Old.ID)
		} else {
			d.Nodes = append(d.Nodes, *c.New)
		}
	}
	for _, c := range diff.Partitions {
		d.Partitions = append(d.Partitions, *c.New)
	}
	if new.Rebalance != old.Rebalance {
		is := new.Rebalance // not a pointer into the map
		d.Rebalance = &is
	}
	for _, v := range diff.Moves {
		if v.New == nil {
			d.Ended = append(d.Ended, v.Old.Partition)
		} else {
			d.Moves = append(d.Moves, *v.New)
		}
	}
	return d
}

func clusterOf(m *Map) Cluster {
	return Cluster{ClusterID: m.ClusterID, Application: m.Application, Settings: m.Settings}
}

// Apply returns the map that the delta leads to; m itself stays as it is, and
// the two share what did not change. It returns ErrGap where the delta starts
// at another version, or at the same version of another history, and an error where it does not fit the map.
func (m *Map) Apply(d Delta) (*Map, error) {
	if d.Since != m.Version || d.Base != m.History || d.Version < d.Since {
		return nil, fmt.Errorf("apply delta from version %d to %d at version %d: %w", d.Since, d.Version, m.Version, ErrGap)
	}
	next := *m
	next.Version, next.History = d.Version, d.History
	if d.Cluster != nil {
		next.ClusterID, next.Application, next.Settings = d.Cluster.ClusterID, d.Cluster.Application, d.Cluster.Settings
	}
	if len(d.Nodes) > 0 || len(d.Left) > 0 {
		next.Nodes = mergeNodes(m.Nodes, d)
	}
	if len(d.Partitions) > 0 {
		merged, err := mergePartitions(m.Partitions, d.Partitions)
		if err != nil {
			return nil, fmt.Errorf("apply delta to version %d: %w", d.Version, err)
		}
		next.Partitions = merged
	}
	if d.Rebalance != nil {
		next.Rebalance = *d.Rebalance
	}
	if len(d.Moves) > 0 || len(d.Ended) > 0 {
		next.Moves = mergeMoves(m.Moves, d)
	}
	return &next, nil
}

func mergeMoves(old []Move, d Delta) []Move {
	merged := slices.DeleteFunc(slices.Clone(old), func(v Move) bool { return slices.Contains(d.Ended, v.Partition) })
	for _, v := range d.Moves {
		i, known := slices.BinarySearchFunc(merged, v, compareMoves)
		if known {
			merged[i] = v
		} else {
			merged = slices.Insert(merged, i, v)
		}
	}
	return merged
}

func mergeNodes(old []Node, d Delta) []Node {
	merged := slices.DeleteFunc(slices.Clone(old), func(n Node) bool { return slices.Contains(d.Left, n.ID) })
	for _, n := range d.Nodes {
		i, known := slices.BinarySearchFunc(merged, n.ID, func(n Node, id NodeID) int { return cmp.Compare(n.ID, id) })
		if known {
			merged[i] = n
		} else {
			merged = slices.Insert(merged, i, n)
		}
	}
	return merged
}

// mergePartitions replaces what changed. The first placement brings all
// partitions at once, in order.
func mergePartitions(old, changed []Configuration) ([]Configuration, error) {
	merged := slices.Clone(old)
	for _, c := range changed {
		switch id := int(c.ID); {
		case id < len(merged):
			merged[id] = c
		case id == len(merged) && len(old) == 0:
			merged = append(merged, c)
		default:
			return nil, fmt.Errorf("%v is beyond the %d partitions", c.ID, len(merged))
		}
	}
	return merged, nil
}
