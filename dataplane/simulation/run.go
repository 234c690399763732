package simulation

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The parts of a schedule, in virtual time.
const (
	clientsBegin = 1 * time.Second
	faultsBegin  = 2 * time.Second
	faultsEnd    = 30 * time.Second
	// settled is how long after the last fault the cluster must serve again:
	// the promises that were given, the suspicions that were raised, and what
	// has to be caught up are over by then.
	settled = 8 * time.Second
	probing = 6 * time.Second // a probe's deadline
)

// Options says which schedule to run.
type Options struct {
	Seed  uint64
	Trace bool // keep the last events as text
	// Keep are the numbers of the only faults that happen; nil: all of them.
	Keep []int
}

// Result is what became of a schedule.
type Result struct {
	Seed     uint64
	Failure  string   // the first promise broken, with the instant; "" if none was
	Hash     uint64   // of everything that happened
	Trace    []string // the last events, oldest first, where wanted
	Coverage Coverage
	Faults   []Fault // those that came, in order

	kept []int
}

// Replay returns the command that runs the schedule again and shows it.
func (r *Result) Replay() string {
	command := fmt.Sprintf("go run ./scripts/simulate -seed %d -trace", r.Seed)
	if r.kept == nil {
		return command
	}
	list := make([]string, len(r.kept))
	for i, n := range r.kept {
		list[i] = strconv.Itoa(n)
	}
	return command + " -faults " + cmp.Or(strings.Join(list, ","), "none")
}

// Run runs one schedule: a cluster of the product's own state machines, its
// clients, half a minute of faults, then peace, in which it must serve again.
func Run(o Options) Result { return run(o, nil) }

// run is Run with a chance to change what the schedule is like.
func run(o Options, adjust func(w *world)) Result {
	w := newWorld(o, adjust)
	w.begin()
	end := instant(faultsEnd + w.peace + probing + time.Second)
	for w.failure == "" && w.step(end) {
	}
	if w.failure == "" {
		w.checkEnd()
	}
	return Result{
		Seed: o.Seed, Failure: w.failure, Hash: w.trace.hash, Trace: w.trace.last(), Coverage: w.coverage,
		Faults: w.happened, kept: o.Keep,
	}
}

func (w *world) begin() {
	for _, n := range w.bases() {
		w.after(w.between(0, 300*time.Millisecond), n.start)
	}
	w.after(w.between(0, 300*time.Millisecond), w.election)
	w.after(clientsBegin, w.clients)
	w.after(faultsBegin, w.plan)
	w.after(faultsEnd, w.heal)
	w.after(faultsEnd+w.peace, w.probe)
	w.operator()
}

// probe asks every node for every key, once written, once read.
func (w *world) probe() {
	for _, n := range w.bases() {
		for i := range w.keys {
			w.probeKey(n, &w.keys[i])
		}
	}
}
