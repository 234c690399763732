package liveness

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

// pass lets time pass, and leaves undone what the detector wants.
func pass(w *watch, d time.Duration) {
	for end := w.now + d; w.now < end; {
		w.now += 50 * ms
		if w.now%(250*ms) == 0 {
			w.beats()
		}
		w.tick()
	}
}

// Two processes on copies of one directory: the second gets the node's place only
// if the first is not heard from after the second has asked.
func TestContest(t *testing.T) {
	t.Parallel()
	newcomer := func(w *watch) *partition.Node {
		n, _ := w.m.Map().Node("n2")
		next := *n
		next.Incarnation, next.StartID, next.PeerAddr = 2, 22, "elsewhere"
		return &next
	}
	ask := func(t *testing.T, w *watch, n *partition.Node, want Contest) partition.Start {
		t.Helper()
		got, silent := w.d.Contest(w.now, w.m.Map(), n, w.connected)
		if got != want {
			t.Errorf("at %v: %d, want %d", w.now, got, want)
		}
		return silent
	}
	t.Run("the first runs", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		n := newcomer(w)
		ask(t, w, n, Undecided)
		ask(t, w, n, Undecided) // what was heard before does not count
		pass(w, 300*time.Millisecond)
		ask(t, w, n, Taken)
	})
	t.Run("the first is silent", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		n := newcomer(w)
		w.silent["n2"] = true
		pass(w, 3*time.Second) // silence of before counts no more than a heartbeat of before
		ask(t, w, n, Undecided)
		pass(w, 900*time.Millisecond)
		ask(t, w, n, Undecided)
		pass(w, 300*time.Millisecond)
		first, _ := w.m.Map().Node("n2")
		if silent := ask(t, w, n, Free); silent != first.Start() {
			t.Errorf("found silent: %v, the map has %v", silent, first.Start())
		}
	})
	t.Run("a new leader has heard nothing", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		n := newcomer(w)
		w.silent["n2"] = true
		ask(t, w, n, Undecided)
		pass(w, 900*time.Millisecond)
		w.d.BecameLeader(w.now)
		pass(w, 600*time.Millisecond)
		ask(t, w, n, Undecided)
		pass(w, 600*time.Millisecond)
		ask(t, w, n, Free)
	})
	same := func(w *watch) *partition.Node {
		n := newcomer(w)
		first, _ := w.m.Map().Node("n2")
		n.PeerAddr = first.PeerAddr
		return n
	}
	t.Run("at the same address, where its connections are gone", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		if silent := ask(t, w, same(w), Free); !silent.IsZero() {
			t.Errorf("found silent: %v", silent)
		}
	})
	t.Run("at the same address, where a connection is left of a machine that failed", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		w.connected, w.silent["n2"] = true, true
		pass(w, 1300*time.Millisecond)
		if silent := ask(t, w, same(w), Free); !silent.IsZero() {
			t.Errorf("found silent: %v", silent)
		}
	})
	t.Run("at the same address, as the clone of a machine has, while the first runs", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		w.connected = true
		n := same(w)
		ask(t, w, n, Undecided)
		pass(w, 300*time.Millisecond)
		ask(t, w, n, Taken)
	})
	t.Run("at the same address with an empty disk, while the first runs", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		w.connected = true
		n := same(w)
		n.Store++
		ask(t, w, n, Undecided)
		w.connected = false // it ended
		ask(t, w, n, Free)
	})
	t.Run("at the same address, and the first falls silent", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		w.connected = true
		n := same(w)
		ask(t, w, n, Undecided)
		w.silent["n2"] = true
		pass(w, 900*time.Millisecond)
		ask(t, w, n, Undecided)
	})
	t.Run("a process is known by its number too", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		pass(w, 2*time.Second)
		n := newcomer(w)
		twin := *n
		twin.Incarnation, twin.StartID = 1, 99
		w.silent["n2"] = true
		ask(t, w, n, Undecided)
		for range 6 {
			pass(w, 250*time.Millisecond)
			w.d.Heartbeat(w.now, ProcessOf(&twin), Report{}) // of another process with the first one's counter
		}
		ask(t, w, n, Free)
	})
}
