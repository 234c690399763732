package liveness

import "testing"

// A new leader changes nothing before each node has said which map it has: the
// coordinators may have been restored from an old backup.
func TestALeaderHearsWhichMapEachNodeHas(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	m := w.m.Map()
	ready := func(want bool, when string) {
		t.Helper()
		if got := w.d.AllCompared(w.now, m); got != want {
			t.Errorf("%s: %v", when, got)
		}
	}
	w.d.BecameLeader(w.now)
	ready(false, "nobody was heard")
	w.d.Compared(w.now, "n1", true)
	w.d.Compared(w.now, "n2", true)
	ready(false, "n3 was not heard")
	w.d.Compared(w.now, "n3", false)
	w.now += 1900 * ms
	w.d.Compared(w.now, "n3", false)
	w.now += 1900 * ms
	ready(false, "n3 has a map of another history")
	w.d.Compared(w.now, "n3", true)
	ready(true, "all have a map of this history")
	w.d.BecameLeader(w.now)
	ready(false, "the next term")
	w.d.Compared(w.now, "n1", true)
	w.now += 1900 * ms
	ready(false, "n2 and n3 may be late")
	w.now += 200 * ms
	ready(true, "n2 and n3 are silent")
	w.d.Compared(w.now, "n2", false)
	ready(true, "one that comes later freezes the map, and stops nobody else")
}
