package coordinator

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// A follower that asks for the whole map gets it once, and then what changes.
func TestAFollowerThatAsksForTheWholeMapGetsItOnce(t *testing.T) {
	t.Parallel()
	s, src := runStream(t, func(*mapStream, partition.Stamp) { t.Error("lost") })
	r := newReader(t)
	r.m = src.current.Load()
	s.follow(r, protocol.Follow{Have: src.current.Load().Stamp(), Whole: true})
	r.until("the snapshot", func(r *reader) bool { return r.snapshots == 1 })
	for range 5 {
		version := src.bump(3)
		r.until("the delta", at(version))
	}
	r.until("beats", func(r *reader) bool { return r.beats > 2 })
	if r.snapshots != 1 || r.deltas != 5 {
		t.Errorf("%d snapshots, %d deltas", r.snapshots, r.deltas)
	}
}

// Raft takes a limit of zero for none: what is left of a context is above zero, also
// where nothing is left.
func TestWhatIsLeftOfAContextIsALimit(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer cancel()
	long, cancelLong := context.WithTimeout(t.Context(), time.Hour)
	defer cancelLong()
	short, cancelShort := context.WithTimeout(t.Context(), time.Minute)
	defer cancelShort()
	for name, c := range map[string]struct {
		ctx   context.Context
		limit time.Duration
		most  time.Duration
	}{
		"over":       {over, time.Hour, time.Millisecond},
		"no limit":   {t.Context(), time.Second, time.Second},
		"long":       {long, time.Second, time.Second},
		"short":      {short, time.Hour, time.Minute},
		"limit zero": {long, 0, time.Millisecond},
	} {
		if got := within(c.ctx, c.limit); got <= 0 || got > c.most {
			t.Errorf("%s: %v, want above zero and at most %v", name, got, c.most)
		}
	}
}

// Before a disk is given up, its operator hears what that costs: the last copy, or
// that partitions take no writes for a while.
func TestWhatGivingUpADiskCosts(t *testing.T) {
	t.Parallel()
	for replicas, want := range map[string]string{
		"n1":          "no other replica is in sync",
		"n1 n2":       "1 partitions take no writes",
		"n1 n2 n3":    "nothing that was acknowledged",
		"n2 n3":       "nothing that was acknowledged",
		"n1 n2 n3 n4": "nothing that was acknowledged",
	} {
		m := &partition.Map{Settings: partition.Settings{MinInSync: 2}, Partitions: make([]partition.Configuration, 1)}
		for _, n := range strings.Fields(replicas) {
			m.Partitions[0].Replicas = append(m.Partitions[0].Replicas, partition.Replica{Node: partition.NodeID(n), Store: 1})
		}
		got := mayLoseWith(m, "n1")
		if !strings.Contains(got, want) || strings.Contains(got, "take no writes") != strings.Contains(want, "take no writes") {
			t.Errorf("in sync are %s: %q, want %q", replicas, got, want)
		}
	}
}
