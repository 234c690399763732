package dataplane

import (
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

func TestReadsPastTheExecutor(t *testing.T) {
	t.Parallel()
	engine, err := storage.Open(storage.Options{Dir: t.TempDir(), NodeID: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	}()
	old, current := engine.OpenPartition(0, 7), engine.OpenPartition(0, 7)
	current.Apply([]*entry.Entry{{Position: entry.Position{Sequence: 1, Epoch: 3}, Kind: entry.Put, Key: []byte("k"), Value: []byte("v")}})
	at := func() replica.Time { return 100 }
	serving := &replica.View{Epoch: 3, Lineage: 7, Serving: true, LeaseUntil: 101}

	s := make(slots, 2)
	get := func() (replica.Answer, bool) {
		return s.read(&replica.Operation{Action: replica.Get, Partition: 0, Key: []byte("k")}, at)
	}
	if _, ok := get(); ok {
		t.Error("read where there is no copy")
	}
	s.install(0, current)
	if _, ok := get(); ok {
		t.Error("read without a view")
	}
	if !s.publish(0, serving) {
		t.Error("the first view that serves is not told as a beginning")
	}
	a, ok := get()
	if !ok || a.Outcome != replica.Found || string(a.Value) != "v" || a.Lineage != 7 || a.Epoch != 3 || a.Result.Sequence != 1 {
		t.Errorf("read under a lease: %+v, %v", a, ok)
	}
	if s.publish(0, &replica.View{Epoch: 3, Lineage: 7, Serving: true, LeaseUntil: 100}) {
		t.Error("a renewed lease is told as a beginning")
	}
	if _, ok := get(); ok {
		t.Error("read after the lease")
	}
	s.publish(0, &replica.View{Epoch: 3, Lineage: 7, Serving: true, Alone: true})
	if _, ok := get(); !ok {
		t.Error("not read where no lease is needed")
	}
	s.install(0, old) // another copy comes into its place
	if _, ok := get(); ok {
		t.Error("read from a copy that the view is not of")
	}
	if a, ok := s.stale(&replica.Operation{Partition: 0, Key: []byte("k")}); !ok || a.Outcome != replica.Absent {
		t.Errorf("stale read: %+v, %v", a, ok)
	}
	if _, ok := s.stale(&replica.Operation{Partition: 9}); ok {
		t.Error("stale read of a partition that does not exist")
	}
}

// TestReaderThatStoodStill is a reader with a value from before the copy, or
// the epoch, changed: what the new view vouches for is not what it read.
func TestReaderThatStoodStill(t *testing.T) {
	t.Parallel()
	table, other := &storage.Table{}, &storage.Table{}
	view := func(epoch partition.Epoch) *replica.View {
		return &replica.View{Epoch: epoch, Serving: true, Alone: true}
	}
	before := &slot{table: table, view: view(3)}
	for _, test := range []struct {
		name  string
		after *slot
		want  bool
	}{
		{"nothing changed", before, true},
		{"a newer view of the same epoch", &slot{table: table, view: view(3)}, true},
		{"primary again, in a later epoch", &slot{table: table, view: view(5)}, false},
		{"another copy", &slot{table: other, view: view(3)}, false},
		{"another copy, not served", &slot{table: other}, false},
	} {
		if got := before.vouchedBy(test.after, func() replica.Time { return 1 }); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
