package state

import (
	"slices"
	"strings"

	"github.com/holdfast-io/holdfast/partition"
)

// reconfigure returns what follows cur when replicas are in sync and primary
// leads them. Who leaves the in-sync set stays as a learner, to be repaired;
// who joins it is a learner no more.
func reconfigure(cur *partition.Configuration, replicas []partition.Replica, primary partition.NodeID, minInSync int) partition.Configuration {
	removed := without(cur.Replicas, replicas)
	next := *cur
	next.Epoch++
	next.Primary = primary
	next.Replicas = replicas
	next.Learners = union(without(cur.Learners, replicas), removed)
	next.Eligible = eligible(cur, replicas, removed, minInSync)
	if len(replicas) > 0 {
		next.Unavailable = nil
	}
	return next
}

// eligible is rule C5: while the in-sync set is below min-in-sync, everyone that
// the command which took it there removed, and later ones. The command that
// brings the set back to min-in-sync clears the list.
func eligible(cur *partition.Configuration, replicas, removed []partition.Replica, minInSync int) []partition.Replica {
	if len(replicas) >= minInSync {
		return nil
	}
	return without(union(cur.Eligible, removed), replicas)
}

// lose returns what follows cur when the node's copy is lost: it is in no list
// any more, except as a learner where it starts again on a store (not zero). The
// last one in sync is remembered as unavailable. The primary is left out if it
// was that node: the caller finds another.
func lose(cur *partition.Configuration, node partition.NodeID, store partition.StoreID) partition.Configuration {
	lost := []partition.Replica{{Node: node}}
	next := *cur
	next.Epoch++
	next.Replicas = without(cur.Replicas, lost)
	next.Learners = without(cur.Learners, lost)
	next.Eligible = without(cur.Eligible, lost)
	if store != 0 {
		next.Learners = union(next.Learners, []partition.Replica{{Node: node, Store: store}})
	}
	if last, ok := partition.Find(cur.Replicas, node); ok && len(next.Replicas) == 0 {
		next.Unavailable = []partition.Replica{last}
	}
	if cur.Primary == node {
		next.Primary = ""
	}
	return next
}

// without returns the list less the nodes of another, as a new list.
func without(list, less []partition.Replica) []partition.Replica {
	var out []partition.Replica
	for _, r := range list {
		if _, drop := partition.Find(less, r.Node); !drop {
			out = append(out, r)
		}
	}
	return out
}

// union returns both lists, which have no node in common, sorted, as a new list.
func union(a, b []partition.Replica) []partition.Replica {
	out := append(slices.Clone(a), b...)
	slices.SortFunc(out, func(x, y partition.Replica) int { return strings.Compare(string(x.Node), string(y.Node)) })
	return out
}
