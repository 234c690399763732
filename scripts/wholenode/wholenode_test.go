package main

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"go.uber.org/goleak"

	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// freshRound is a round with a seed of its own, which a failure prints.
func freshRound(t *testing.T, lasting time.Duration) *round {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return &round{seed: seed, lasting: lasting, dir: t.TempDir(), checkTimeout: 20 * time.Second}
}

// TestWholeNodes is one short round of whole nodes. On a machine that is so busy
// that the round says nothing, it takes another, but not for ever.
func TestWholeNodes(t *testing.T) {
	t.Parallel()
	for range 3 {
		found := freshRound(t, 10*time.Second).run(t.Context())
		t.Log(found.line())
		if !found.good() || found.verdict.Result != porcupine.Ok {
			var report bytes.Buffer
			found.print(&report)
			t.Fatal(report.String())
		}
		if s := history.Summarize(found.operations, strings.Clone); s.Acknowledged >= 50 && len(found.faults) >= 4 {
			return
		}
	}
	t.Error("no round had 50 acknowledged writes and 4 faults")
}

// TestAWrongAnswerIsNoticed plants one wrong answer into what the clients of a
// round record.
func TestAWrongAnswerIsNoticed(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(l *liar, o *history.Operation) bool{
		"a lost write": (*liar).loseWrite,
		"a stale read": (*liar).readStale,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := liar{answer: answer, acknowledged: map[string][]history.Operation{}, unclear: map[string]bool{}}
			r := freshRound(t, 2*time.Second)
			r.record = l.record
			found := r.run(t.Context())
			if found.err != nil {
				t.Fatal(found.err)
			}
			if l.planted == "" {
				t.Fatal("no answer was fit for it")
			}
			if found.good() || found.verdict.Key != l.planted {
				t.Fatalf("%v of %q, want one of %s", found.verdict.Result, found.verdict.Key, l.planted)
			}
			var report bytes.Buffer
			found.print(&report)
			wanted := []string{fmt.Sprintf("FAILED: seed %d", r.seed), "History of " + l.planted, r.dir, "NOT LINEARIZABLE"}
			for _, f := range found.faults {
				wanted = append(wanted, f.what)
			}
			for _, want := range wanted {
				if !strings.Contains(report.String(), want) {
					t.Errorf("the report does not have %q:\n%s", want, &report)
				}
			}
		})
	}
}

// liar changes one answer of a round.
type liar struct {
	answer func(l *liar, o *history.Operation) bool

	mu           sync.Mutex
	planted      string                         // the key, once it is done
	acknowledged map[string][]history.Operation // puts without a TTL, by key
	unclear      map[string]bool                // keys with an operation that may take effect at any time
}

func (l *liar) record(o *history.Operation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.planted == "" && o.Kind == history.Get && o.Found && !l.unclear[o.Key] && l.answer(l, o) {
		l.planted = o.Key
	}
	switch {
	case o.Outcome == history.Unknown:
		l.unclear[o.Key] = true
	case o.IsAcknowledged() && o.Kind == history.Put && o.TTL == 0:
		l.acknowledged[o.Key] = append(l.acknowledged[o.Key], *o)
	}
}

// loseWrite has a read find nothing, while only the clients of the round's end,
// which delete nothing, are there.
func (l *liar) loseWrite(o *history.Operation) bool {
	for _, put := range l.acknowledged[o.Key] {
		if put.Client >= firstFinalCaller && put.Return < o.Call {
			o.Found, o.Read, o.ETag = false, "", ""
			return true
		}
	}
	return false
}

// readStale has a read find a value that was written over before it began.
func (l *liar) readStale(o *history.Operation) bool {
	for _, old := range l.acknowledged[o.Key] {
		for _, put := range l.acknowledged[o.Key] {
			if old.Return < put.Call && put.Return < o.Call && old.Value != o.Read {
				o.Read, o.ETag = old.Value, old.ETag
				return true
			}
		}
	}
	return false
}

// TestAPlanIsAFunctionOfItsSeed: what is decided before a round is the same for the
// same seed, and another for another.
func TestAPlanIsAFunctionOfItsSeed(t *testing.T) {
	t.Parallel()
	one, same, other := newPlan(7, time.Minute), newPlan(7, time.Minute), newPlan(8, time.Minute)
	if !reflect.DeepEqual(one, same) {
		t.Error("two plans of one seed differ")
	}
	if reflect.DeepEqual(one.links, other.links) || reflect.DeepEqual(one.processes, other.processes) {
		t.Error("two seeds have the same faults")
	}
	drawn := map[string]bool{}
	for seed := range uint64(50) {
		p := newPlan(seed, time.Minute)
		for _, s := range append(p.processes, p.links...) {
			drawn[s.kind] = true
			if s.first == s.second || s.first >= p.shape.nodes || s.second >= p.shape.nodes {
				t.Errorf("seed %d: %s of nodes %d and %d, of %d", seed, s.kind, s.first, s.second, p.shape.nodes)
			}
		}
	}
	for _, k := range append(append([]choice(nil), processFaults...), linkFaults...) {
		if !drawn[k.kind] {
			t.Errorf("%s was never drawn", k.kind)
		}
	}
}

// TestTooManyUndecidedKeysFail: what the checker did not judge proves nothing.
func TestTooManyUndecidedKeysFail(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		keys, undecided int
		good            bool
	}{{100, 0, true}, {100, 1, true}, {100, 2, false}, {99, 1, false}} {
		if err := enoughDecided(test.keys, test.undecided); (err == nil) != test.good {
			t.Errorf("%d of %d undecided: %v", test.undecided, test.keys, err)
		}
	}
}
