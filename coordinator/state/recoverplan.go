package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/holdfast-io/holdfast/partition"
)

// recovery is one judgement of what was reported.
type recovery struct {
	*txn
	lost    map[partition.NodeID]bool
	reports []*Report // those that count
	// unvouched have the only copies of some partition, and ran elsewhere before.
	unvouched map[partition.NodeID]bool
}

// used returns a node's report, if it counts.
func (v *recovery) used(id partition.NodeID) (*Report, bool) {
	if v.lost[id] {
		return nil, false
	}
	return v.memory.behind.reported(id)
}

// members takes reported nodes into the map, as they run now.
func (v *recovery) members(p *MapRecovery) {
	all := map[partition.NodeID]partition.Node{}
	for _, n := range v.old.Nodes {
		all[n.ID] = n
	}
	for _, r := range v.reports {
		n := r.Node
		if known, ok := all[n.ID]; ok {
			if n.Duty = known.Duty; n.Duty == partition.Replaced {
				n.Duty = partition.Full
			}
			if n.Weight == 0 {
				n.Weight = known.Weight
			}
		}
		n.Weight = max(1, n.Weight)
		if known, ok := v.old.Node(n.ID); !ok || known.Store != n.Store || known.Start() != n.Start() {
			p.Nodes = append(p.Nodes, n)
		}
		all[n.ID] = n
	}
	for _, id := range slices.Sorted(maps.Keys(all)) {
		p.conclusion.nodes = append(p.conclusion.nodes, all[id])
	}
}

// source is what a partition goes on from.
type source struct {
	adopted *partition.Configuration
	highest partition.Epoch // that is known of
	// forked: nodes have adopted different configurations of that epoch, and
	// which of them took writes cannot be told.
	forked bool
	// anew: nobody that is left has adopted any, nor has the map one.
	anew bool
}

// sources finds for each partition the highest configuration that a node has
// adopted, or that the map has. What the map says counts like a report, for
// nobody has adopted anything later.
func (v *recovery) sources() ([]source, error) {
	count := len(v.old.Partitions)
	if count == 0 && slices.ContainsFunc(v.reports, func(r *Report) bool { return len(r.Copies) > 0 }) {
		count = v.old.Settings.Partitions // the backup is of before the first placement
	}
	out := make([]source, count)
	for i := range out {
		s := &out[i]
		if cur, placed := v.old.Partition(partition.ID(i)); placed {
			s.adopted, s.highest = cur, cur.Epoch
		}
		for j := range v.memory.behind.Reports {
			r := &v.memory.behind.Reports[j]
			have, ok := r.copy(partition.ID(i))
			if !ok {
				continue
			}
			s.highest = max(s.highest, have.Epoch)
			if !v.lost[r.Node.ID] {
				v.consider(s, have)
			}
		}
		if s.adopted == nil && len(v.lost) > 0 {
			s.anew, s.adopted = true, v.anew(partition.ID(i))
		}
		if s.adopted == nil {
			return nil, fmt.Errorf("%w: no node has reported a copy of %v, and the map was restored from before its placement: start the nodes that have one, restore a later backup, or name the nodes whose disks are gone for good with --lost",
				ErrNoCopy, partition.ID(i))
		}
	}
	return out, nil
}

// consider lets a reported copy be what the partition goes on from.
func (v *recovery) consider(s *source, have *Copy) {
	c := have.Configuration
	switch {
	case c == nil || s.adopted != nil && c.Epoch < s.adopted.Epoch:
	case s.adopted == nil || c.Epoch > s.adopted.Epoch:
		s.adopted, s.forked = c, false
	case !c.Equal(s.adopted):
		// Two histories have given the same epoch. Only one that all its in-sync
		// replicas have adopted can have acknowledged anything in it.
		now, then := v.active(c), v.active(s.adopted)
		switch {
		case now && then:
			s.forked = true
		case now || !then:
			s.adopted = c
		}
	}
}

// active reports whether all in-sync replicas that can be asked have adopted
// this configuration.
func (v *recovery) active(c *partition.Configuration) bool {
	for _, m := range c.Replicas {
		r, reported := v.used(m.Node)
		if !reported {
			continue
		}
		if have, ok := r.copy(c.ID); r.Node.Store != m.Store || !ok || have.Configuration == nil || !have.Configuration.Equal(c) {
			return false
		}
	}
	return true
}

// missing are the nodes that may have adopted something later, and have neither
// reported nor are given up: all that the map names, and all that what it goes
// on from names.
func (v *recovery) missing(sources []source) []partition.NodeID {
	named := map[partition.NodeID]bool{}
	for i := range v.old.Nodes {
		named[v.old.Nodes[i].ID] = true
	}
	for i := range sources {
		c := sources[i].adopted
		for _, list := range [][]partition.Replica{c.Replicas, c.Learners, c.Eligible, c.Unavailable} {
			for _, r := range list {
				if !slices.Contains(v.memory.removed, r) {
					named[r.Node] = true
				}
			}
		}
	}
	out := []partition.NodeID{}
	for id := range named {
		if _, reported := v.used(id); !reported && !v.lost[id] {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// recovered is the partition's configuration after the recovery: that of the
// source, in a higher epoch, without what is lost and what was being moved.
func (v *recovery) recovered(s *source, primaries map[partition.NodeID]int) (partition.Configuration, string) {
	from := s.adopted
	next := partition.Configuration{ID: from.ID, Lineage: from.Lineage, Epoch: max(s.highest, from.Epoch) + recoveredEpochs}
	var again, moved []partition.Replica // lost their copy, and start again; ran elsewhere before
	for _, m := range from.Replicas {
		switch r, reported := v.used(m.Node); {
		case s.forked:
		case v.has(from, m) && !v.older(from, m) && v.moved(m):
			moved = append(moved, m)
		case v.has(from, m) && !v.older(from, m):
			next.Replicas = append(next.Replicas, m)
		case reported:
			again = append(again, partition.Replica{Node: m.Node, Store: r.Node.Store})
		}
	}
	if len(next.Replicas) == 0 {
		next.Replicas = v.vouched(moved)
	}
	if len(next.Replicas) == 0 {
		v.await(moved)
	}
	again = union(again, without(moved, next.Replicas))
	if len(next.Replicas) < v.old.Settings.MinInSync && !s.forked && !v.losing(s) {
		var moved []partition.Replica
		for _, m := range union(from.Eligible, from.Replicas) {
			switch {
			case !v.has(from, m) || next.InSync(m.Node):
			case v.moved(m):
				moved = append(moved, m)
			default:
				next.Eligible = append(next.Eligible, m)
			}
		}
		if len(next.Replicas)+len(next.Eligible) == 0 {
			next.Eligible = v.vouched(moved)
		}
		if len(next.Replicas)+len(next.Eligible) == 0 {
			v.await(moved)
		}
	}
	next.Learners = v.learners(from, &next, again)
	if len(next.Replicas) == 0 {
		next.Unavailable = from.Replicas
		if len(next.Unavailable) == 0 {
			next.Unavailable = from.Unavailable
		}
		return next, v.mayLose(s, &next)
	}
	if _, stays := partition.Find(next.Replicas, from.Primary); stays {
		next.Primary = from.Primary
	} else {
		next.Primary = slices.MinFunc(next.Replicas, func(a, b partition.Replica) int {
			return cmp.Or(cmp.Compare(primaries[a.Node], primaries[b.Node]), cmp.Compare(a.Node, b.Node))
		}).Node
	}
	return next, v.mayLose(s, &next)
}

// has reports whether a replica that the configuration counts on has what it
// should: its node has reported from that store, with a copy of that lineage that
// counted when it adopted its configuration. One that an unsafe recovery has chosen
// may not have adopted its lineage yet. A program that keeps nothing reports what it
// acts on while it runs, and nothing after a start.
func (v *recovery) has(from *partition.Configuration, m partition.Replica) bool {
	r, reported := v.used(m.Node)
	if !reported || r.Node.Store != m.Store {
		return false
	}
	have, ok := r.copy(from.ID)
	if !ok || have.Lineage == 0 {
		return false
	}
	if have.Lineage != from.Lineage { // one that an unsafe recovery has just chosen?
		return len(from.Replicas) == 1 && from.InSync(m.Node) && have.Epoch < from.Epoch
	}
	// A copy that was lost since the backup, and begun anew, is a learner's.
	return have.Configuration != nil && (have.Configuration.Equal(from) || counted(have.Configuration, m.Node))
}

// older reports whether the node's copy has not adopted the configuration that
// another in sync has: its directory may have gone back to an earlier copy.
func (v *recovery) older(from *partition.Configuration, m partition.Replica) bool {
	return !v.adopted(from, m) && slices.ContainsFunc(from.Replicas, func(o partition.Replica) bool {
		return v.has(from, o) && v.adopted(from, o)
	})
}

// adopted reports whether the node says that its copy has adopted just that.
func (v *recovery) adopted(from *partition.Configuration, m partition.Replica) bool {
	r, reported := v.used(m.Node)
	if !reported {
		return false
	}
	have, ok := r.copy(from.ID)
	return ok && have.Configuration != nil && have.Configuration.Equal(from)
}

// counted reports whether the configuration counts on the node's copy.
func counted(c *partition.Configuration, node partition.NodeID) bool {
	_, eligible := partition.Find(c.Eligible, node)
	return eligible || c.InSync(node)
}

// learners are the eligible ones, those that start again, and as many others as
// the replication factor has room for: moves are dropped, with what they brought.
func (v *recovery) learners(from, next *partition.Configuration, again []partition.Replica) []partition.Replica {
	out := union(next.Eligible, without(again, next.Eligible))
	for _, copies := range []bool{true, false} { // those with a copy first
		for _, m := range from.Learners {
			r, reported := v.used(m.Node)
			if !reported || len(next.Replicas)+len(out) >= v.old.Settings.ReplicationFactor || next.InSync(m.Node) {
				continue
			}
			if _, there := partition.Find(out, m.Node); there {
				continue
			}
			if _, ok := r.copy(from.ID); ok == copies {
				out = union(out, []partition.Replica{{Node: m.Node, Store: r.Node.Store}})
			}
		}
	}
	if s := v.others(from, next, out); len(next.Replicas) == 0 {
		out = union(out, s)
	}
	return out
}

// others are copies that what the partition goes on from does not count on any
// more. They are kept where nothing else is left to choose from.
func (v *recovery) others(from, next *partition.Configuration, listed []partition.Replica) []partition.Replica {
	var out []partition.Replica
	for _, r := range v.reports {
		have, ok := r.copy(from.ID)
		if _, there := partition.Find(listed, r.Node.ID); there || !ok || have.Lineage == 0 || next.InSync(r.Node.ID) {
			continue
		}
		out = append(out, partition.Replica{Node: r.Node.ID, Store: r.Node.Store})
	}
	return out
}
