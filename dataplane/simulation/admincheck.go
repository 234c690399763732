package simulation

import (
	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// checkCommand checks what one entry of the coordinators' log made of the map,
// against what its proposer had looked at.
func (w *world) checkCommand(c state.Command, before, after *partition.Map) {
	judged := before
	admin, byOperator := c.(state.Admin)
	if byOperator {
		a := w.commands[admin.ID]
		if before != after {
			a.hadEffect()
		}
		judged, c = a.judged, admin.Command
	}
	if before == after {
		return
	}
	switch v := c.(type) {
	case state.Recover:
		w.checkJudged(v.Partition, judged, before)
	case state.UnsafeRecover:
		w.checkJudged(v.Partition, judged, before)
	case state.Remove:
		if n, known := before.Node(v.Node); known && !v.Lost && n.Duty != partition.Removing {
			w.fail("%s is removed, and was %v", v.Node, n.Duty)
		}
	case state.Weigh:
		w.checkNode(v.Node, before, after, func(n *partition.Node) { n.Weight = v.Weight })
	case state.Assign:
		w.checkNode(v.Node, before, after, func(n *partition.Node) { n.Duty = v.Duty })
		if n, known := before.Node(v.Node); known && !byOperator && n.Duty != v.Was {
			w.fail("the rebalancer makes %s %v, and takes it for %v: it was %v", v.Node, v.Duty, v.Was, n.Duty)
		}
		w.checkEnough(v, after)
	case state.SetRebalance:
		if want := v.Change.Of(before.Rebalance); after.Rebalance != want {
			w.fail("the rebalancing settings are %+v, want %+v", after.Rebalance, want)
		}
	case state.Begin:
		if before.Rebalance.Paused {
			w.fail("a move begins while moves are paused")
		}
	}
}

// hadEffect sees an entry with the command's ID that changed the map.
func (a *adminCommand) hadEffect() {
	a.effects++
	switch {
	case a.w.back.history > 0: // they may have forgotten that they applied it
	case a.effects > 1:
		a.w.fail("%s is applied %d times", a, a.effects)
	case a.fate == commandNotApplied || a.fate == commandRefused:
		a.w.fail("%s was reported as %s, and is applied", a, commandFateNames[a.fate])
	}
}

// checkJudged checks that a recovery is applied to what the operator saw.
func (w *world) checkJudged(id partition.ID, judged, before *partition.Map) {
	saw, _ := judged.Partition(id)
	was, _ := before.Partition(id)
	if saw == nil || !saw.Equal(was) {
		w.fail("a recovery overrides %s, and was judged from %v", describeConfiguration(was), saw)
	}
}

// checkNode checks that a command changed one thing of a node, and nothing else.
func (w *world) checkNode(id partition.NodeID, before, after *partition.Map, change func(*partition.Node)) {
	was, _ := before.Node(id)
	is, known := after.Node(id)
	if was == nil || !known {
		w.fail("a command about %s adds or removes it", id)
		return
	}
	want := *was
	if change(&want); want.Duty != is.Duty || want.Weight != is.Weight || want.Store != is.Store || want.Incarnation != is.Incarnation {
		w.fail("%s is %v with weight %d, want %v with %d", id, is.Duty, is.Weight, want.Duty, want.Weight)
	}
}

// checkEnough checks that the nodes of full duty can hold all replicas.
func (w *world) checkEnough(v state.Assign, after *partition.Map) {
	full := 0
	for i := range after.Nodes {
		if after.Nodes[i].Duty == partition.Full {
			full++
		}
	}
	if v.Duty != partition.Full && full < w.settings.ReplicationFactor {
		w.fail("%s is %v, and %d nodes of full duty are left for %d replicas", v.Node, v.Duty, full, w.settings.ReplicationFactor)
	}
}
