package main

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition/mapjson"
)

func TestPaceTellsRateAndTimeLeft(t *testing.T) {
	t.Parallel()
	var p pace
	at := time.Unix(0, 0)
	after := func(d time.Duration, now mapjson.Progress, want string) {
		t.Helper()
		at = at.Add(d)
		if got := p.at(at, now); got != want {
			t.Errorf("%+v after %v: %q, want %q", now, d, got, want)
		}
	}
	after(0, mapjson.Progress{Bytes: 0, AllBytes: 100 << 20}, "")
	after(2*time.Second, mapjson.Progress{Bytes: 20 << 20, AllBytes: 100 << 20}, ", 10 MiB/s, 8s left")
	after(2*time.Second, mapjson.Progress{Bytes: 100 << 20, AllBytes: 100 << 20}, ", 25 MiB/s")
	// Then the entries: 1,000 are left, and of 100 that come in a second 300 are done.
	after(time.Second, mapjson.Progress{Have: 9000, Want: 10_000}, "")
	after(time.Second, mapjson.Progress{Have: 9300, Want: 10_100}, ", 4s left")
	// More comes than is done: nobody can tell.
	after(time.Second, mapjson.Progress{Have: 9400, Want: 11_000}, "")
}
