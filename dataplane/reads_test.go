package dataplane

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/dataplane/storage"
	"github.com/holdfast-io/holdfast/partition"
)

// openStorage opens a new store, until the test ends.
func openStorage(t testing.TB) *storage.Engine {
	t.Helper()
	engine, err := storage.Open(storage.Options{Dir: t.TempDir(), NodeID: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return engine
}

func TestReadsPastTheExecutor(t *testing.T) {
	t.Parallel()
	engine := openStorage(t)
	old, current := engine.OpenPartition(0, 7), engine.OpenPartition(0, 7)
	current.Apply([]*entry.Entry{{Position: entry.Position{Sequence: 1, Epoch: 3}, Kind: entry.Put, Key: []byte("k"), Value: []byte("v")}})
	at := func() replica.Time { return 100 }
	serving := &replica.View{Epoch: 3, Lineage: 7, Serving: true, LeaseUntil: 101}

	s := make(slots, 2)
	get := func() (replica.Answer, bool) {
		a, result := s.read(&replica.Operation{Action: replica.Get, Partition: 0, Key: []byte("k")}, at)
		return a, result == readLocal
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

// TestReadsAtASecondary takes every way that a read at a secondary may go (R1).
func TestReadsAtASecondary(t *testing.T) {
	t.Parallel()
	engine := openStorage(t)
	put := func(sequence uint64, key string) *entry.Entry {
		return &entry.Entry{Position: entry.Position{Sequence: sequence, Epoch: 3}, Kind: entry.Put, Key: []byte(key), Value: []byte("v")}
	}
	var view *replica.View
	at := replica.Time(time.Hour)
	group := replica.NewGroup(replica.Config{
		Self: replica.Peer{Node: "n1", Store: 1, Start: partition.Start{Incarnation: 1}}, MinInSync: 2, ReplicationFactor: 2, Booted: at,
		Open:    func(id partition.ID, lineage uint32) replica.State { return engine.OpenPartition(id, lineage) },
		Publish: func(_ partition.ID, v *replica.View) { view = v },
	})
	conf := partition.Configuration{Epoch: 3, Lineage: 7, Primary: "n2", Replicas: []partition.Replica{{Node: "n1", Store: 1}, {Node: "n2", Store: 2}}}
	group.SetMap(at, &partition.Map{
		Settings:   partition.Settings{Partitions: 1, ReplicationFactor: 2, MinInSync: 2},
		Nodes:      []partition.Node{{ID: "n1", Store: 1, Incarnation: 1}, {ID: "n2", Store: 2, Incarnation: 1}},
		Partitions: []partition.Configuration{conf},
	})
	primary := replica.Peer{Node: "n2", Store: 2, Start: partition.Start{Incarnation: 1}}
	beacon := func(id, answers uint64) {
		group.Message(at, primary, &replica.Message{Kind: replica.BeaconMessage, Beacon: &replica.Beacon{
			ID: id, Lease: time.Second, Answers: answers, Claims: []replica.Claim{{Epoch: 3, Grant: 500 * time.Millisecond}},
		}})
	}
	table := engine.OpenPartition(0, 7)
	table.Apply([]*entry.Entry{put(1, "k")})
	s := make(slots, 1)
	s.install(0, table)
	read := func(key string) readResult {
		s.publish(0, view)
		_, result := s.read(&replica.Operation{Action: replica.Get, Key: []byte(key)}, func() replica.Time { return at })
		return result
	}
	if got := read("k"); got != readElsewhere {
		t.Errorf("without a grant: %d", got)
	}
	beacon(1, 0)
	if got := read("k"); got != readElsewhere {
		t.Errorf("with a grant that answers nothing: %d", got)
	}
	beacon(2, 1)
	if got := read("k"); got != readLocal {
		t.Errorf("with a grant: %d", got)
	}
	group.Message(at, primary, &replica.Message{Kind: replica.Append, Epoch: 3, Entries: []*entry.Entry{put(1, "dirty")}})
	if got := read("dirty"); got != readDirty {
		t.Errorf("with an entry not applied: %d", got)
	}
	if got := read("k"); got != readLocal {
		t.Errorf("a clean key beside a dirty one: %d", got)
	}
	ends := put(2, "ends")
	ends.Expires = 1
	table.Apply([]*entry.Entry{ends})
	if got := read("ends"); got != readTTL {
		t.Errorf("a value with a TTL: %d", got)
	}
	at = at.Add(500 * time.Millisecond)
	if got := read("k"); got != readElsewhere {
		t.Errorf("when the grant has run out: %d", got)
	}
}
