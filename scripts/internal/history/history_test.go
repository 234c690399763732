package history

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// at makes an operation that lasts from..to milliseconds.
func at(from, to int, o Operation) Operation {
	o.Call, o.Return = time.Duration(from)*time.Millisecond, time.Duration(to)*time.Millisecond
	if o.Key == "" {
		o.Key = "k"
	}
	if o.Outcome == "" {
		o.Outcome = Applied
	}
	return o
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	put1 := at(0, 1, Operation{Kind: Put, Value: "1"})
	for name, c := range map[string]struct {
		history []Operation
		good    bool
	}{
		"read what was written": {[]Operation{put1, at(2, 3, Operation{Kind: Get, Found: true, Read: "1"})}, true},
		"lost write":            {[]Operation{put1, at(2, 3, Operation{Kind: Get})}, false},
		"stale read": {[]Operation{put1, at(2, 3, Operation{Kind: Put, Value: "2", Found: true}),
			at(4, 5, Operation{Kind: Get, Found: true, Read: "1"})}, false},
		"unknown write that shows late": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", Outcome: Unknown}),
			at(2, 3, Operation{Kind: Get}), at(9, 10, Operation{Kind: Get, Found: true, Read: "1"})}, true},
		"unknown write that never shows": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", Outcome: Unknown}),
			at(2, 3, Operation{Kind: Get})}, true},
		"write that was said not to be applied": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", Outcome: NotApplied}),
			at(2, 3, Operation{Kind: Get, Found: true, Read: "1"})}, false},
		"deleted key that returns": {[]Operation{put1, at(2, 3, Operation{Kind: Delete, Found: true}),
			at(4, 5, Operation{Kind: Get, Found: true, Read: "1"})}, false},
		"two creations": {[]Operation{at(0, 1, Operation{Kind: Create, Value: "1"}), at(2, 3, Operation{Kind: Create, Value: "2"})}, false},
		"condition that did not hold": {[]Operation{put1,
			at(2, 3, Operation{Kind: Swap, Expected: "0", Value: "2", Outcome: ConditionFailed}),
			at(2, 3, Operation{Kind: Create, Value: "3", Outcome: ConditionFailed})}, true},
		"condition that held all the same": {[]Operation{put1, at(2, 3, Operation{Kind: Swap, Expected: "1", Value: "2", Outcome: ConditionFailed})}, false},
		"swap applied twice": {[]Operation{put1, at(2, 3, Operation{Kind: Swap, Expected: "1", Value: "2"}),
			at(4, 5, Operation{Kind: Swap, Expected: "1", Value: "3"})}, false},
		"unknown swap": {[]Operation{put1, at(2, 3, Operation{Kind: Swap, Expected: "1", Value: "2", Outcome: Unknown}),
			at(4, 5, Operation{Kind: Get, Found: true, Read: "1"}), at(6, 7, Operation{Kind: Get, Found: true, Read: "2"})}, true},
		"created said of what existed": {[]Operation{put1, at(2, 3, Operation{Kind: Put, Value: "2"})}, false},
		"value that ends after its TTL": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", TTL: time.Second}),
			at(2, 3, Operation{Kind: Get, Found: true, Read: "1"}), at(1001, 1002, Operation{Kind: Get})}, true},
		"value that ends before its TTL": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", TTL: time.Second}),
			at(500, 501, Operation{Kind: Get})}, false},
		"value that returns after its end": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", TTL: time.Second}),
			at(1001, 1002, Operation{Kind: Get}), at(1003, 1004, Operation{Kind: Get, Found: true, Read: "1"})}, false},
		"put without a TTL clears it": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", TTL: time.Second}),
			at(2, 3, Operation{Kind: Put, Value: "2", Found: true}), at(2001, 2002, Operation{Kind: Get})}, false},
		"creation after an end": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", TTL: time.Second}),
			at(1001, 1002, Operation{Kind: Create, Value: "2"}), at(1003, 1004, Operation{Kind: Swap, Expected: "1", Value: "3", Outcome: ConditionFailed})}, true},
		"swap that fails as the value may have ended": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", TTL: time.Second}),
			at(1001, 1002, Operation{Kind: Swap, Expected: "1", Value: "2", Outcome: ConditionFailed})}, true},
		"unknown creation after an end": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", TTL: time.Second}),
			at(1001, 1002, Operation{Kind: Create, Value: "2", Outcome: Unknown}), at(1003, 1004, Operation{Kind: Get, Found: true, Read: "2"})}, true},
		"unknown creation that was refused": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", TTL: time.Second}),
			at(1001, 1002, Operation{Kind: Create, Value: "2", Outcome: Unknown}), at(1003, 1004, Operation{Kind: Get, Found: true, Read: "1"})}, true},
		"an ETag for two values": {[]Operation{at(0, 1, Operation{Kind: Put, Value: "1", ETag: "a"}),
			at(2, 3, Operation{Kind: Put, Value: "2", ETag: "a", Found: true})}, false},
	} {
		v := Check(c.history, 10*time.Second, filepath.Join(t.TempDir(), "picture.html"))
		if got := v.Good(); got != c.good {
			t.Errorf("%s: %v, faults %v", name, v.Result, v.Faults)
		}
		if v.Result == porcupine.Illegal && (v.Key != "k" || v.Picture == "") {
			t.Errorf("%s: no picture of %q", name, v.Key)
		}
	}
}

func TestHistoryIsKeptInItsFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	h, err := NewRecorder(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Operation{at(1, 2, Operation{Kind: Put, Value: "x"}), at(3, 4, Operation{Kind: Get, Found: true, Read: "x"})}
	for _, o := range want {
		h.Add(o)
	}
	if _, err := h.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, %v", got, err)
	}
}
