package liveness

import (
	"slices"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// bootSettled is nextBoot with the nodes that may take primaries.
func bootSettled(w *watch, id partition.NodeID) state.Register {
	r := nextBoot(w, id)
	r.Live = w.d.Settled(w.now, w.m.Map(), &r.Node)
	return r
}

func primaries(w *watch) []partition.NodeID {
	var out []partition.NodeID
	for _, c := range w.m.Map().Partitions {
		out = append(out, c.Primary)
	}
	return out
}

// All processes start again at once: each node keeps its primaries, for none of the
// others could serve sooner.
func TestAClusterThatStartsAsAWholeKeepsItsPrimaries(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3", "n2 n1 n3", "n3 n1 n2")
	w.quiet(5 * time.Second)
	before := primaries(w)
	nodes := []partition.NodeID{"n1", "n2", "n3"}
	for _, id := range nodes {
		w.silent[id] = true
	}
	w.d = New(Config{}) // the coordinators start as well
	w.quiet(250 * time.Millisecond)
	for _, id := range nodes {
		w.silent[id] = false
		w.apply(bootSettled(w, id))
		w.quiet(250 * time.Millisecond)
	}
	if after := primaries(w); !slices.Equal(after, before) {
		t.Errorf("primaries %v, before %v", after, before)
	}
}

func TestABootingNodeGivesItsPrimariesToThoseThatRun(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.quiet(5 * time.Second)
	w.apply(bootSettled(w, "n1"))
	if p := primaries(w)[0]; p == "n1" {
		t.Error("n1 is primary still, though others have run for long")
	}
}

// Who has to wait for a log that is behind could not serve sooner.
func TestABootingNodeGivesNothingToOneWhoseLogIsBehind(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.report["n2"] = Report{LogQueue: time.Second + ms}
	w.quiet(5 * time.Second)
	w.apply(bootSettled(w, "n1"))
	if p := primaries(w)[0]; p != "n3" {
		t.Errorf("%s is primary", p)
	}
}

func TestALiveNodeAtTheSameAddressIsAlwaysNamed(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.quiet(5 * time.Second)
	w.apply(nextBoot(w, "n1"))
	w.quiet(250 * time.Millisecond)
	known, _ := w.m.Map().Node("n1")
	thief := partition.Node{ID: "n9", PeerAddr: known.PeerAddr}
	if !slices.Contains(w.d.Settled(w.now, w.m.Map(), &thief), "n1") {
		t.Error("a node that has just booted could lose its address")
	}
	thief.PeerAddr = "elsewhere"
	if slices.Contains(w.d.Settled(w.now, w.m.Map(), &thief), "n1") {
		t.Error("a node that has just booted is to take primaries")
	}
}
