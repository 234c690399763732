package simulation

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// usurp registers a second process with the node's ID: one with a disk of its own
// at the node's address, or one on a copy of the node's directory elsewhere.
func (w *world) usurp(n *node, copied bool) {
	in, _ := w.raft.machine.Map().Node(n.id)
	second := *in
	second.StartID = partition.StartID(w.random.Uint64() | 1)
	r := state.Register{Live: []partition.NodeID{"n1", "n2", "n3", "n4"}}
	if copied {
		r.Accepted, r.Silent = in.Start(), in.Start()
		second.Incarnation, second.PeerAddr = in.Incarnation+1, "elsewhere:7071"
		for _, c := range n.process.copies {
			r.Copies = append(r.Copies, state.Copy{Partition: c.partition, Epoch: c.epoch, Lineage: c.lineage})
		}
	} else {
		second.Store, second.Incarnation = partition.StoreID(w.random.Uint64()|1), 1
	}
	r.Node = second
	w.raft.propose(r)
}

// A second process gets a node's place while the first runs, stands still, or is
// cut off. From when the first hears of it, it serves nothing, reads nothing under
// leases or grants, and acknowledges nothing; checkSilent and checkRead fail the
// schedule otherwise.
func TestASupersededProcessIsSilent(t *testing.T) {
	t.Parallel()
	for name, copied := range map[string]bool{"with another store": false, "on a copy of the directory": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			superseded, asked := 0, 0
			script(t, 8, func(w *world) {
				primary, secondaries, _, ready := w.cast()
				if !ready || copied && w.coverage[fenced] > 0 {
					return // what a copy replaced does not come back
				}
				n := primary
				if w.chance(0.5) {
					n = secondaries[0]
				}
				for range 200 {
					w.after(w.between(0, 3*time.Second), func() {
						action := replica.Get
						if w.chance(0.5) {
							action = replica.Put
						}
						at := n
						if w.chance(0.3) {
							at = primary
						}
						if n.up && n.process.over {
							asked++
						}
						w.ask(at, action, replica.Condition{})
					})
				}
				w.after(time.Second, func() {
					switch w.pick(3) {
					case 0:
						n.pause(w.between(0, 1500*time.Millisecond))
					case 1:
						w.isolate(n)
					}
					w.usurp(n, copied)
				})
				before := w.coverage[fenced]
				w.after(3500*time.Millisecond, func() { superseded += int(w.coverage[fenced] - before) })
			})
			if superseded < 4 || asked < 20 {
				t.Errorf("%d processes were superseded, and asked %d times", superseded, asked)
			}
		})
	}
}
