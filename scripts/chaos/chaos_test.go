package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// at makes an operation that lasts from..to milliseconds.
func at(from, to int, o operation) operation {
	o.Call, o.Return = time.Duration(from)*time.Millisecond, time.Duration(to)*time.Millisecond
	if o.Key == "" {
		o.Key = "k"
	}
	if o.Outcome == "" {
		o.Outcome = applied
	}
	return o
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	put1 := at(0, 1, operation{Kind: put, Value: "1"})
	for name, c := range map[string]struct {
		history []operation
		good    bool
	}{
		"read what was written": {[]operation{put1, at(2, 3, operation{Kind: get, Found: true, Read: "1"})}, true},
		"lost write":            {[]operation{put1, at(2, 3, operation{Kind: get})}, false},
		"stale read": {[]operation{put1, at(2, 3, operation{Kind: put, Value: "2", Found: true}),
			at(4, 5, operation{Kind: get, Found: true, Read: "1"})}, false},
		"unknown write that shows late": {[]operation{at(0, 1, operation{Kind: put, Value: "1", Outcome: unknown}),
			at(2, 3, operation{Kind: get}), at(9, 10, operation{Kind: get, Found: true, Read: "1"})}, true},
		"unknown write that never shows": {[]operation{at(0, 1, operation{Kind: put, Value: "1", Outcome: unknown}),
			at(2, 3, operation{Kind: get})}, true},
		"write that was said not to be applied": {[]operation{at(0, 1, operation{Kind: put, Value: "1", Outcome: notApplied}),
			at(2, 3, operation{Kind: get, Found: true, Read: "1"})}, false},
		"deleted key that returns": {[]operation{put1, at(2, 3, operation{Kind: deletion, Found: true}),
			at(4, 5, operation{Kind: get, Found: true, Read: "1"})}, false},
		"two creations": {[]operation{at(0, 1, operation{Kind: create, Value: "1"}), at(2, 3, operation{Kind: create, Value: "2"})}, false},
		"condition that did not hold": {[]operation{put1,
			at(2, 3, operation{Kind: swap, Expected: "0", Value: "2", Outcome: failedTest}),
			at(2, 3, operation{Kind: create, Value: "3", Outcome: failedTest})}, true},
		"condition that held all the same": {[]operation{put1, at(2, 3, operation{Kind: swap, Expected: "1", Value: "2", Outcome: failedTest})}, false},
		"swap applied twice": {[]operation{put1, at(2, 3, operation{Kind: swap, Expected: "1", Value: "2"}),
			at(4, 5, operation{Kind: swap, Expected: "1", Value: "3"})}, false},
		"unknown swap": {[]operation{put1, at(2, 3, operation{Kind: swap, Expected: "1", Value: "2", Outcome: unknown}),
			at(4, 5, operation{Kind: get, Found: true, Read: "1"}), at(6, 7, operation{Kind: get, Found: true, Read: "2"})}, true},
		"created said of what existed": {[]operation{put1, at(2, 3, operation{Kind: put, Value: "2"})}, false},
		"an ETag for two values": {[]operation{at(0, 1, operation{Kind: put, Value: "1", ETag: "a"}),
			at(2, 3, operation{Kind: put, Value: "2", ETag: "a", Found: true})}, false},
	} {
		v := check(c.history, 10*time.Second, filepath.Join(t.TempDir(), "picture.html"))
		if got := v.code() == 0; got != c.good {
			t.Errorf("%s: %v, faults %v", name, v.result, v.faults)
		}
		if v.result == porcupine.Illegal && (v.key != "k" || v.path == "") {
			t.Errorf("%s: no picture of %q", name, v.key)
		}
	}
}

func TestHistoryIsKeptInItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	h, err := newHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []operation{at(1, 2, operation{Kind: put, Value: "x"}), at(3, 4, operation{Kind: get, Found: true, Read: "x"})}
	for _, o := range want {
		h.add(o)
	}
	if _, err := h.close(); err != nil {
		t.Fatal(err)
	}
	got, err := readHistory(path)
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReportIsForPeople(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	history := []operation{at(0, 1, operation{Kind: put, Value: "1"}), at(100, 2101, operation{Kind: put, Value: "2", Found: true, Node: "n3"}),
		at(5, 6, operation{Kind: get, Outcome: notApplied, Detail: `503 {"code":"unavailable"}`}),
		at(5, 6, operation{Kind: put, Outcome: notApplied, Detail: "Put: dial tcp 127.0.0.1:1: connect: connection refused"}),
		at(5, 6, operation{Kind: put, Value: "3", Outcome: unknown})}
	report(&out, history, []*fault{{At: 50 * time.Millisecond, Until: 90 * time.Millisecond, Kind: "kill node", What: "kill -9 n2"}}, 3*time.Second)
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
