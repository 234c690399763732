package rebalance

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// begun lets a fourth node join, or drains one of twelve, and returns how many moves
// began in a while; each has to do with that node.
func begun(t *testing.T, throttle int64, drain bool, while time.Duration) (moves int) {
	t.Helper()
	nodes := 3
	if drain {
		nodes = 12
	}
	w := newWorld(t, nodes, partition.Settings{Partitions: 1024, ReplicationFactor: 3, MinInSync: 2, ExpectNodes: nodes})
	r := partition.DefaultRebalance
	r.Throttle = throttle
	w.apply(state.SetRebalance{Change: r.Change()})
	if drain {
		w.apply(state.Assign{Node: name(12), Duty: partition.Draining})
	} else {
		w.join(4)
	}
	for end := w.now + while; w.now < end; {
		w.now += 50 * time.Millisecond
		for _, c := range w.r.Tick(w.now, w.m.Map(), w.health) {
			w.apply(c)
			if b, ok := c.(state.Begin); ok {
				moves += len(b.Moves)
			}
		}
		w.work(func() bool { return true })
	}
	return moves
}

// The moves of one node come at the throttle's pace, however little they copy.
func TestMovesArePaced(t *testing.T) {
	t.Parallel()
	const seconds = 10
	for _, drain := range []bool{false, true} {
		for _, throttle := range []int64{2 * moveCost, 8 * moveCost} {
			most := int(throttle/moveCost)*seconds + partition.DefaultRebalance.AtOnceEach
			if got := begun(t, throttle, drain, seconds*time.Second); got > most || got < most*3/4 {
				t.Errorf("drain %v: %d moves of a node began in %d s, want about %d", drain, got, seconds, most)
			}
		}
		if free, paced := begun(t, 0, drain, seconds*time.Second), begun(t, 2*moveCost, drain, seconds*time.Second); free < 3*paced {
			t.Errorf("drain %v: without a throttle %d moves began, with one %d", drain, free, paced)
		}
	}
}

// A throttle counts from when it is set: what moves cost at a lower one is not waited
// for at that one's rate.
func TestAHigherThrottleCountsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPace()
	slow, fast := partition.DefaultRebalance, partition.DefaultRebalance
	slow.Throttle, fast.Throttle = 64<<10, moveCost
	p.pass(time.Second, slow)
	for range slow.AtOnceEach {
		p.began("n1")
	}
	p.began("n1")
	if p.ready("n1") {
		t.Fatal("as many moves as one likes")
	}
	p.pass(11*time.Second, slow)
	if p.ready("n1") {
		t.Error("a move is paid for by a sixth of what it costs")
	}
	p.pass(12*time.Second, fast)
	if !p.ready("n1") {
		t.Error("a second is not enough at a higher throttle")
	}
	p.began("n1")
	p.began("n1")
	fast.Throttle = 0
	if p.pass(12*time.Second, fast); !p.ready("n1") {
		t.Error("a move waits without a throttle")
	}
}
