package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// at makes an operation that lasts from..to milliseconds.
func at(from, to int, o history.Operation) history.Operation {
	o.Call, o.Return = time.Duration(from)*time.Millisecond, time.Duration(to)*time.Millisecond
	if o.Key == "" {
		o.Key = "k"
	}
	if o.Outcome == "" {
		o.Outcome = history.Applied
	}
	return o
}

func TestReportIsForPeople(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	operations := []history.Operation{at(0, 1, history.Operation{Kind: history.Put, Value: "1"}), at(100, 2101, history.Operation{Kind: history.Put, Value: "2", Found: true, Node: "n3"}),
		at(5, 6, history.Operation{Kind: history.Get, Outcome: history.NotApplied, Detail: `503 {"code":"unavailable"}`}),
		at(5, 6, history.Operation{Kind: history.Put, Outcome: history.NotApplied, Detail: "Put: dial tcp 127.0.0.1:1: connect: connection refused"}),
		at(5, 6, history.Operation{Kind: history.Put, Value: "3", Outcome: history.Unknown})}
	report(&out, operations, []*fault{{At: 50 * time.Millisecond, Until: 90 * time.Millisecond, Kind: "kill node", What: "kill -9 n2"}}, 3*time.Second)
	for _, want := range []string{"2 writes acknowledged", "1 of unknown outcome", "1 503 unavailable", "1 connection refused", "2.1 s  kill node (k, from 0.0 s; the fault lasted 0.0 s)", "2.0 s (put at n3"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &out)
		}
	}
}

func TestAFaultExplainsUntilItIsGotOver(t *testing.T) {
	t.Parallel()
	f := &fault{At: time.Second, Until: 2 * time.Second, Kind: "kill node"}
	after := func(from time.Duration) string {
		return explanation(gap{from: from, to: from + time.Second}, []*fault{f})
	}
	if got := after(time.Minute); got != "kill node" {
		t.Errorf("never got over: %s", got)
	}
	n := nemesis{faults: []*fault{f}}
	n.gotOver(1500 * time.Millisecond) // before it ended: says nothing
	if n.gotOver(10 * time.Second); f.Whole != 10*time.Second {
		t.Fatalf("got over at %v", f.Whole)
	}
	if n.gotOver(20 * time.Second); f.Whole != 10*time.Second {
		t.Errorf("got over twice: %v", f.Whole)
	}
	for from, want := range map[time.Duration]string{9 * time.Second: "kill node", 11 * time.Second: "no fault"} {
		if got := after(from); got != want {
			t.Errorf("a gap from %v: %s, want %s", from, got, want)
		}
	}
	f.Whole = 2100 * time.Millisecond // at once
	if got := after(3 * time.Second); got != "kill node" {
		t.Errorf("within its aftermath: %s", got)
	}
}
