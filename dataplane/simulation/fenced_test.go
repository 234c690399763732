package simulation

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
)

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
					w.hinder(n)
					w.register(n, copied)
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
