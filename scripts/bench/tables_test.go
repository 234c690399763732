package main

import (
	"slices"
	"testing"
)

func TestCellsChangeOneThingAtATime(t *testing.T) {
	t.Parallel()
	got, err := grid{keys: "1000,5000", nodes: "3,9", values: "100,2097152"}.cells()
	want := []cell{{1000, 3, 100}, {5000, 3, 100}, {1000, 9, 100}, {512, 3, 2 << 20}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if _, err := (grid{keys: "0", nodes: "3", values: "100"}).cells(); err == nil {
		t.Error("no keys at all are taken")
	}
}
