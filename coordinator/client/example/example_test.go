package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/client"
	"github.com/holdfast-io/holdfast/coordinator/internal/trio"
	"github.com/holdfast-io/holdfast/partition"
)

// withReplica is the change that adds a node.
func withReplica(p *client.Partition, n *client.Node) partition.Change {
	replicas := append(slices.Clone(p.Configuration.Replicas), partition.Replica{Node: n.ID, Store: n.Store})
	slices.SortFunc(replicas, func(a, b partition.Replica) int { return strings.Compare(string(a.Node), string(b.Node)) })
	return partition.Change{Partition: p.Number, Epoch: p.Epoch, Primary: p.Configuration.Primary, Replicas: replicas, Reason: "test", Added: []partition.Added{{Node: n.ID, Start: n.Start()}}}
}

// order has the coordinators do something about a node.
func (w *world) order(path string) {
	w.t.Helper()
	trio.Eventually(w.t, "POST "+path, func() bool {
		answer := httptest.NewRecorder()
		w.g.Leader().Handler().ServeHTTP(answer, httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, path, http.NoBody))
		return answer.Code == http.StatusOK
	})
}

// killed kills a server and starts it again, empty.
func (w *world) killed() { w.again(false) }

// restarted kills a server and starts it again with what it had, as from a disk.
func (w *world) restarted() { w.again(true) }

func (w *world) again(withDisk bool) {
	id := w.any().client.NodeID()
	had := w.kill(id)
	if rand.IntN(2) == 0 { // long enough to be taken out first
		pause(w.t.Context(), rand.N(2*time.Second))
	}
	if !withDisk {
		had = nil
	}
	w.start(id, had)
}

// drained moves all away from a server, and back.
func (w *world) drained() {
	id := w.any().client.NodeID()
	w.order("/v1/nodes/" + string(id) + "/drain")
	trio.Eventually(w.t, string(id)+" to be drained", func() bool { return len(w.any().client.GetPartitionsForNode(id)) == 0 })
	w.order("/v1/nodes/" + string(id) + "/undrain")
}

// cutOff cuts a server off from the coordinators, long enough that others become
// primary in its place. Clients and the other servers still reach it.
func (w *world) cutOff() {
	id := w.any().client.NodeID()
	for _, c := range w.g.IDs {
		w.g.Network.CutBoth(string(id), c)
	}
	pause(w.t.Context(), 1500*time.Millisecond+rand.N(time.Second))
	w.g.Network.HealAll()
}

// run harms the servers, one thing after the other, under load, and returns what was
// lost or wrong after one of them.
func (w *world) run(harms ...func(*world)) []string {
	for _, harm := range harms {
		ctx, cancel := context.WithCancel(w.t.Context())
		loaded := w.load(ctx)
		pause(w.t.Context(), 200*time.Millisecond)
		harm(w)
		w.whole("again")
		pause(w.t.Context(), 200*time.Millisecond)
		cancel()
		loaded.Wait()
		w.whole("at last")
		if faults := w.judge(); len(faults) > 0 {
			return faults
		}
	}
	return nil
}

// Servers with storage of their own lose nothing that they acknowledged, and answer
// no read with what is old: when they are killed, moved, cut off and started again.
func TestServersOfTheirOwnLoseNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, rules{}, 4)
	harms := []func(*world){(*world).killed, (*world).drained, (*world).cutOff, (*world).restarted, (*world).killed}
	for _, fault := range w.run(harms...) {
		t.Error(fault)
	}
	if n := len(w.history.operations); n < 500 {
		t.Errorf("only %d operations", n)
	} else {
		t.Logf("%d operations", n)
	}
}

// Each rule of the program's side is needed: without it the same test notices that
// something is lost or old.
func TestARuleThatIsLeftOutIsNoticed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		without rules
		harm    func(*world)
	}{
		"writes go to the replicas in sync only":        {rules{learnersGetNoWrites: true}, (*world).killed},
		"a learner copies when the map shows it":        {rules{copiesAtOnce: true}, (*world).killed},
		"receivers do not ask Accept":                   {rules{nothingIsFenced: true}, (*world).cutOff},
		"a copied value replaces one that came with it": {rules{copiesOverwrite: true}, (*world).killed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, test.without, 4)
			for range 20 {
				if faults := w.run(test.harm); len(faults) > 0 {
					t.Logf("noticed: %s", faults[0])
					return
				}
			}
			t.Error("nothing was noticed")
		})
	}
}
