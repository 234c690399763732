package liveness

import (
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// confirmed lets time pass and returns who was confirmed, and when first.
func confirmed(w *watch, d time.Duration) (times map[partition.NodeID]int, first time.Duration) {
	times = map[partition.NodeID]int{}
	start := w.now
	for w.now < start+d {
		w.now += 50 * ms
		if w.now%(250*ms) == 0 {
			w.beats()
		}
		for _, c := range w.d.Tick(w.now, w.m.Map()) {
			if c, ok := c.(state.Confirm); ok {
				w.apply(c)
				for _, r := range c.Nodes {
					times[r.Node]++
				}
				if first == 0 {
					first = w.now - start
				}
			}
		}
	}
	return times, first
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	t.Run("all is well", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 4, 2, "n1 n2 n3")
		w.report["n2"] = Report{MapVersion: 1} // does not get any further
		w.silent["n3"] = true
		times, first := confirmed(w, time.Minute)
		if fmt.Sprint(times) != "map[n1:3 n4:3]" || first < 5*time.Second || first > 6*time.Second {
			t.Errorf("confirmed %v, first after %v", times, first)
		}
		w.d.BecameLeader(w.now)
		if times, _ := confirmed(w, time.Second); fmt.Sprint(times) != "map[n1:1 n4:1]" {
			t.Errorf("a new leader confirmed %v", times)
		}
	})
	t.Run("a partition is not served", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 4, 2, "n1 n2", "n3 n4")
		w.set(0, "n1", "n1") // it waits for n2, below min-in-sync
		w.report["n1"] = Report{NotServing: []NotServing{{Partition: 0, Epoch: 2, For: time.Second}}}
		if times, _ := confirmed(w, 20*time.Second); times["n1"] != 0 || times["n3"] == 0 {
			t.Errorf("confirmed %v", times)
		}
		delete(w.report, "n1")
		if times, _ := confirmed(w, time.Second); times["n1"] == 0 {
			t.Errorf("confirmed %v", times)
		}
	})
}
