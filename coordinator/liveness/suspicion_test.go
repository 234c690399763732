package liveness

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

func TestSilence(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.quiet(3 * time.Second)
	w.silent["n1"] = true
	w.quiet(time.Second) // the last heartbeat came just now
	if got := w.live(); got != "[n1 n2 n3]" {
		t.Errorf("live are %s", got)
	}
	w.wants(100*ms, "fail n1: 0 n2 [n2 n3]")
	if got := w.live(); got != "[n2 n3]" {
		t.Errorf("live are %s", got)
	}
	w.silent["n1"] = false
	w.beats()
	w.quiet(time.Second) // it is back before anything was committed
}

func TestUseless(t *testing.T) {
	t.Parallel()
	t.Run("an fsync hangs", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		w.report["n1"] = Report{OldestFsync: time.Second}
		w.quiet(3 * time.Second)
		w.report["n1"] = Report{OldestFsync: time.Second + ms}
		w.wants(250*ms, "fail n1: 0 n2 [n2 n3]")
	})
	t.Run("behind the map", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		w.quiet(time.Second)
		w.report["n2"] = Report{MapVersion: w.m.Map().Version}
		w.quiet(3 * time.Second) // it has acted on the newest there is
		w.set(0, "n1", "n1", "n2", "n3")
		w.quiet(time.Second)
		w.wants(500*ms, "fail n2: 0 n1 [n1 n3]")
	})
	t.Run("behind a map that changes all the time", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		for range 40 { // it is 250 ms behind, always
			w.report["n2"] = Report{MapVersion: w.m.Map().Version}
			w.set(0, "n1", "n1", "n2", "n3")
			w.quiet(250 * ms)
		}
	})
	t.Run("a boot is not behind maps from before it", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		w.quiet(5 * time.Second)
		w.apply(nextBoot(w, "n2"))
		w.report["n2"] = Report{MapVersion: 1}
		w.quiet(750 * ms)
		w.report["n2"] = Report{}
		w.quiet(3 * time.Second)
	})
}

// nextBoot is a node's next boot, with all its copies.
func nextBoot(w *watch, id partition.NodeID) state.Register {
	known, _ := w.m.Map().Node(id)
	r := state.Register{Node: *known, Live: w.d.Live(w.now, w.m.Map()), Accepted: known.Start()}
	r.Node.Incarnation++
	for _, c := range w.m.Map().Partitions {
		r.Copies = append(r.Copies, state.Copy{Partition: c.ID, Epoch: c.Epoch, Lineage: c.Lineage})
	}
	return r
}

func TestNotServing(t *testing.T) {
	t.Parallel()
	complain := func(w *watch, id partition.NodeID, epoch partition.Epoch, d time.Duration) {
		w.report[id] = Report{NotServing: []NotServing{{Partition: 0, Epoch: epoch, For: d}}}
	}
	t.Run("for two seconds while all replicas live", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		w.quiet(time.Second)
		complain(w, "n1", 1, 2*time.Second)
		w.quiet(4 * time.Second)
		complain(w, "n1", 1, 2*time.Second+ms)
		w.wants(250*ms, "fail n1: 0 n2 [n2 n3]")
	})
	t.Run("counts from when it could", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		complain(w, "n1", 1, time.Hour)
		w.quiet(2 * time.Second)
		w.wants(350*ms, "fail n1: 0 n2 [n2 n3]")
	})
	t.Run("a replica that is not live has to go first", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		w.quiet(time.Second)
		w.silent["n3"] = true
		complain(w, "n1", 1, time.Hour)
		w.wants(1100*ms, "fail n3: 0 n1 [n1 n2]")
		w.wants(4*time.Second, "fail n3: 0 n1 [n1 n2]") // as long as that is not committed
		w.set(0, "n1", "n1", "n2")
		w.quiet(3 * time.Second) // what it says of epoch 1 is old
	})
	for name, spoil := range map[string]func(w *watch){
		"of another epoch":    func(w *watch) { complain(w, "n1", 5, time.Hour) },
		"of another's":        func(w *watch) { complain(w, "n2", 1, time.Hour) },
		"of no partition":     func(w *watch) { w.report["n1"] = Report{NotServing: []NotServing{{Partition: 9, For: time.Hour}}} },
		"below min-in-sync":   func(w *watch) { w.set(0, "n1", "n1"); complain(w, "n1", 2, time.Hour) },
		"with a node unclear": func(w *watch) { w.apply(nextBoot(w, "n2")); w.silent["n2"] = true; complain(w, "n1", 2, time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWatch(t, 3, 2, "n1 n2 n3")
			spoil(w)
			w.quiet(5 * time.Second)
		})
	}
}

// A cluster that starts cold waits for its disks.
func TestNeverHeard(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.silent["n1"] = true
	w.tick()
	w.quiet(10 * time.Second)
	if got := w.live(); got != "[n2 n3]" {
		t.Errorf("live are %s: who was never heard from is not", got)
	}
	w.wants(100*ms, "fail n1: 0 n2 [n2 n3]")
}

func TestNodeThatRegistersAndDies(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.quiet(time.Minute)
	w.apply(nextBoot(w, "n2"))
	w.silent["n2"] = true
	w.quiet(time.Second)
	w.wants(200*ms, "fail n2: 0 n1 [n1 n3]")
}

// Signs of life count for the boot that sent them.
func TestBoots(t *testing.T) {
	t.Parallel()
	t.Run("an earlier one", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		w.quiet(time.Second)
		w.apply(nextBoot(w, "n2"))
		w.silent["n2"] = true
		for range 10 {
			w.d.Heartbeat(w.now, process("n2", 1), Report{MapVersion: 100}) // late messages
			w.quiet(100 * ms)
		}
		w.d.Heartbeat(w.now, process("n2", 1), Report{MapVersion: 100})
		w.wants(200*ms, "fail n2: 0 n1 [n1 n3]")
	})
	t.Run("a later one, not registered", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		w.quiet(time.Second)
		w.silent["n2"] = true
		for range 10 {
			w.d.Heartbeat(w.now, process("n2", 2), Report{})
			w.quiet(100 * ms)
		}
		w.d.Heartbeat(w.now, process("n2", 2), Report{})
		w.wants(200*ms, "fail n2: 0 n1 [n1 n3]")
		w.apply(nextBoot(w, "n2"))
		if got := w.live(); got != "[n1 n2 n3]" {
			t.Errorf("live are %s: n2's boot was heard before it registered", got)
		}
	})
	t.Run("are forgotten", func(t *testing.T) {
		t.Parallel()
		w := newWatch(t, 3, 2, "n1 n2 n3")
		for i := range uint64(100) {
			w.d.Heartbeat(w.now, process("n2", 10+i), Report{})
			w.d.Heartbeat(w.now, process("gone", i), Report{})
		}
		w.quiet(2 * keepBoots)
		if n := len(w.d.boots); n != 3 {
			t.Errorf("%d boots remembered", n)
		}
	})
}

// A coordinator that was asleep has not heard anybody: that proves nothing.
func TestLateTick(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.quiet(time.Second)
	w.silent["n1"] = true
	w.quiet(900 * ms)
	w.now += 650 * ms // 600 ms are in time
	if c := w.tick(); c != nil {
		t.Fatalf("a tick that came late proposed %s", text(c))
	}
	if got := w.live(); got != "[]" {
		t.Errorf("live are %s, before anybody was heard again", got)
	}
	w.quiet(time.Second)
	w.wants(100*ms, "fail n1: 0 n2 [n2 n3]")
}

func TestLateTickBeginsTheLongPeriodAnew(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.silent["n1"] = true
	w.quiet(9 * time.Second)
	w.now += 2 * time.Second
	w.tick()
	w.quiet(10 * time.Second)
	w.wants(100*ms, "fail n1: 0 n2 [n2 n3]")
}

// A new leader may have been cut off while it was none.
func TestBecameLeader(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 3, 2, "n1 n2 n3")
	w.quiet(time.Second)
	w.silent = map[partition.NodeID]bool{"n1": true, "n2": true, "n3": true}
	for range 100 { // it ticks, and hears nobody
		w.now += 50 * ms
		w.tick()
	}
	w.d.BecameLeader(w.now)
	if got := w.live(); got != "[]" {
		t.Errorf("live are %s", got)
	}
	w.silent = map[partition.NodeID]bool{"n1": true}
	w.quiet(time.Second)
	w.wants(100*ms, "fail n1: 0 n2 [n2 n3]")
}

func TestHealthAndReport(t *testing.T) {
	t.Parallel()
	w := newWatch(t, 2, 1, "n1 n2")
	w.silent["n2"] = true
	w.report["n1"] = Report{Load: Load{Operations: 5}}
	w.quiet(time.Second)
	if h := w.d.Health(w.now, w.m.Map(), "n1"); h.State != Live || h.State.String() != "live" {
		t.Errorf("n1 is %+v", h)
	}
	if h := w.d.Health(w.now, w.m.Map(), "n2"); h.State != Unclear || h.Reason == "" {
		t.Errorf("n2 is %+v", h)
	}
	if r, ok := w.d.Report(process("n1", 1)); !ok || r.Load.Operations != 5 {
		t.Errorf("report %+v, %v", r, ok)
	}
	if _, ok := w.d.Report(process("n2", 1)); ok {
		t.Error("a report of a node that was not heard")
	}
}
