package routing

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// TestVerdictsNeverClaimTooMuch drives writes through random attempts, keeps a
// book of its own of what may be in a log, and checks every verdict against it
// (rule Q4): a 503, a 412 or a DELETE that found nothing, where an attempt may
// have been logged, needs the proof of a primary that serves a later epoch.
func TestVerdictsNeverClaimTooMuch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		action := rapid.SampledFrom([]replica.Action{replica.Get, replica.Put, replica.Delete}).Draw(t, "action")
		m := placedMap(1, 1, "n1")
		now, deadline := replica.Time(0), 1000*ms
		r := NewRequest("n9", replica.Operation{Action: action}, deadline)
		doubtful := partition.Epoch(0) // highest epoch of an attempt that may be logged
		for range 200 {
			if rapid.IntRange(0, 3).Draw(t, "new map") == 0 {
				m = placedMap(m.Version+1, m.Partitions[0].Epoch+partition.Epoch(rapid.IntRange(0, 2).Draw(t, "epochs")),
					rapid.SampledFrom([]partition.NodeID{"", "n1", "n2", "n3"}).Draw(t, "primary"))
			}
			switch d := r.Next(now, m); d.Step {
			case Send:
				if now >= deadline {
					t.Fatalf("an attempt begins at %v, after the deadline", now)
				}
				if d.Epoch < m.Partitions[0].Epoch {
					t.Fatalf("an attempt in epoch %d, older than the map's %d", d.Epoch, m.Partitions[0].Epoch)
				}
				if action != replica.Get && attempt(t, r, d, now) {
					doubtful = max(doubtful, d.Epoch)
				} else if action == replica.Get {
					attempt(t, r, d, now)
				}
			case WaitMap:
				if d.Until <= now || d.Until > deadline {
					t.Fatalf("at %v a wait until %v", now, d.Until)
				}
			case Await:
				if now >= deadline.Add(Grace) {
					t.Fatalf("at %v still waiting", now)
				}
				doubtful = max(doubtful, r.sent) // until it is answered
			case Finish:
				check(t, action, d, doubtful)
				return
			}
			now += replica.Time(rapid.IntRange(0, 60).Draw(t, "ms")) * ms
		}
		t.Fatalf("no end at %v", now)
	})
}

// attempt ends an attempt, or leaves it under way, and reports whether it may
// be in a log, or get there, without an answer that says how it ended.
func attempt(t *rapid.T, r *Request, d Decision, now replica.Time) (doubtful bool) {
	switch end := rapid.IntRange(0, 15).Draw(t, "end"); end {
	case 0:
		return true // under way
	case 1:
		r.Failed(now, true)
		return true
	case 2:
		r.Failed(now, false)
	case 3, 4, 5:
		c := configuration(d.Epoch+partition.Epoch(end-4), "n2")
		r.Answered(now, replica.Answer{Outcome: replica.NotPrimary, Epoch: c.Epoch, Configuration: &c})
	default:
		outcome := replica.Outcome(end - 5) // Done to Failed
		switch end {
		case 13:
			outcome = replica.Expired
		case 14:
			outcome = replica.Overloaded
		case 15:
			outcome = replica.DiskFull
		}
		if outcome == replica.NotPrimary {
			outcome = replica.Failed
		}
		sequence := rapid.Uint64Range(0, 1).Draw(t, "sequence")
		r.Answered(now, replica.Answer{Outcome: outcome, Epoch: d.Epoch, Result: entry.Result{Sequence: sequence}})
		return outcome == replica.Unknown || outcome == replica.Forgotten
	}
	return false
}

func check(t *rapid.T, action replica.Action, d Decision, doubtful partition.Epoch) {
	text := fmt.Sprintf("verdict %d (%+v) with epoch %d in doubt", d.Verdict, d.Answer, doubtful)
	switch {
	case action == replica.Get:
		if d.Verdict == OutcomeUnknown {
			t.Fatal("a read in doubt: " + text)
		}
	case d.Verdict == Unavailable && doubtful != 0:
		t.Fatal("never applied, without proof: " + text)
	case d.Verdict == OutcomeUnknown && doubtful == 0:
		t.Fatal("in doubt without a reason: " + text)
	case d.Verdict == Answered && d.Answer.Result.Sequence == 0 && doubtful != 0 && d.Answer.Epoch <= doubtful:
		t.Fatal("not its own entry's result, without proof: " + text)
	case d.Verdict == Answered && d.Answer.Outcome == replica.PreconditionFailed && doubtful != 0 && d.Answer.Epoch <= doubtful:
		t.Fatal("a failed condition, without proof: " + text)
	}
}
