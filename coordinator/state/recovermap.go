package state

import (
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

const (
	// recoveredEpochs is by how much RecoverMap raises each partition's epoch
	// above all that are known: more than a history that is gone can have had
	// beyond that. So no epoch is given twice, and every primary takes over.
	recoveredEpochs = 1 << 20
	// recoveredVersions is the same for the map's version.
	recoveredVersions = 1 << 20
)

// MapRecovery is what RecoverMap does, or would do.
type MapRecovery struct {
	Judged  uint64             `json:"judged"`  // Behind.Changed that it was judged from
	Version uint64             `json:"version"` // of the map after it
	Lost    []partition.NodeID `json:"lost"`    // what they may have on disk is given up
	// Missing must report first, or be named lost.
	Missing []partition.NodeID `json:"missing"`
	// Unvouched have the only copies of some partition and ran at another address
	// before: AcceptStart vouches for them, or they must be named lost.
	Unvouched  []partition.NodeID   `json:"unvouched"`
	Nodes      []partition.Node     `json:"nodes"` // those that the map gets, or gets anew
	Partitions []PartitionRecovery  `json:"partitions"`
	conclusion partitionsAndMembers // valid where nothing is missing
}

// partitionsAndMembers is what the map says after a recovery.
type partitionsAndMembers struct {
	nodes      []partition.Node
	partitions []partition.Configuration
}

// PartitionRecovery is what becomes of one partition.
type PartitionRecovery struct {
	Before  partition.Configuration `json:"before"`  // what the map says
	Adopted partition.Configuration `json:"adopted"` // what it goes on from
	After   partition.Configuration `json:"after"`
	MayLose string                  `json:"may_lose,omitempty"` // "" where nothing that was acknowledged can be lost
}

// PlanRecovery tells what RecoverMap would do with these nodes named lost. Its
// error wraps ErrNotBehind, or says why the reports do not make a map.
func (m *Machine) PlanRecovery(lost []partition.NodeID) (MapRecovery, error) {
	t := &txn{old: m.Map(), memory: &m.memory}
	return t.planRecovery(lost)
}

// recoverMap makes what the nodes reported the map.
func (t *txn) recoverMap(c RecoverMap) error {
	p, err := t.planRecovery(c.Lost)
	switch {
	case err != nil:
		return fmt.Errorf("recover-map: %w", err)
	case c.Judged != p.Judged:
		return fmt.Errorf("recover-map: %w: another report has come; look at it with --dry-run, then say it again", ErrStale)
	case len(p.Missing) > 0:
		return fmt.Errorf("recover-map: %w: %v: start them, or name each with --lost if its disk is gone for good", ErrNotReported, p.Missing)
	case len(p.Unvouched) > 0:
		return fmt.Errorf("recover-map: %w: %v", ErrOnlyCopy, p.Unvouched)
	}
	next := *t.old
	next.Nodes, next.Partitions, next.Moves = p.conclusion.nodes, p.conclusion.partitions, nil
	if err := next.Validate(); err != nil {
		return fmt.Errorf("recover-map: %w: %w", ErrInvalid, err)
	}
	for i := range t.old.Nodes {
		if n, _ := next.Node(t.old.Nodes[i].ID); n.Store != t.old.Nodes[i].Store {
			t.memory.retire(&t.old.Nodes[i])
		}
	}
	t.nodes, t.partitions, t.moves, t.moved, t.version = next.Nodes, next.Partitions, nil, true, p.Version
	for i := range t.memory.behind.Reports {
		t.memory.settle(t.memory.behind.Reports[i].Node.ID, 0)
	}
	t.memory.adoptedAll(len(next.Partitions))
	t.memory.behind, t.memory.recovered = Behind{}, p.Version
	t.memory.lineage.recent = nil // nodes have maps of the history that is gone
	reason := "by the operator"
	if len(p.Lost) > 0 {
		reason += fmt.Sprintf("; lost: %v", p.Lost)
	}
	t.memory.note(Event{Index: t.index, Kind: "map recovered", Partitions: len(next.Partitions), Reason: reason})
	return nil
}

// planRecovery judges what the nodes reported.
func (t *txn) planRecovery(lost []partition.NodeID) (MapRecovery, error) {
	b := &t.memory.behind
	if b.Since == 0 {
		return MapRecovery{}, ErrNotBehind
	}
	v := &recovery{txn: t, lost: map[partition.NodeID]bool{}, unvouched: map[partition.NodeID]bool{}}
	for _, id := range lost {
		v.lost[id] = true
	}
	p := MapRecovery{Judged: b.Changed, Version: max(b.Version, t.old.Version, t.index) + recoveredVersions, Lost: slices.Sorted(maps.Keys(v.lost))}
	for i := range b.Reports {
		if r := &b.Reports[i]; !v.lost[r.Node.ID] {
			v.reports = append(v.reports, r)
		}
	}
	v.members(&p)
	sources, err := v.sources()
	if err != nil {
		return MapRecovery{}, err
	}
	p.Missing = v.missing(sources)
	primaries := map[partition.NodeID]int{}
	for i := range sources {
		s := &sources[i]
		one := PartitionRecovery{Adopted: *s.adopted}
		if cur, placed := t.old.Partition(partition.ID(i)); placed {
			one.Before = *cur
		}
		one.After, one.MayLose = v.recovered(s, primaries)
		primaries[one.After.Primary]++
		p.Partitions = append(p.Partitions, one)
		p.conclusion.partitions = append(p.conclusion.partitions, one.After)
	}
	p.Unvouched = slices.Sorted(maps.Keys(v.unvouched))
	return p, nil
}
