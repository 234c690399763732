package coordinator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"github.com/holdfast-io/holdfast/coordinator/state"
	"github.com/holdfast-io/holdfast/partition"
)

// A machine that reads what it does not know stops; it never guesses.
func TestAnUnknownCommandStopsTheMachine(t *testing.T) {
	t.Parallel()
	var stopped error
	f := newFSM(func(err error) { stopped = err })
	create, err := state.Encode(state.Create{
		ClusterID: "c", Application: "a", Settings: settingsWithDefaults(partition.Settings{}),
	})
	if err != nil {
		t.Fatal(err)
	}
	next := f.next()
	if r, ok := f.Apply(&raft.Log{Index: 3, Data: create}).(state.Result); !ok || r.Err != nil {
		t.Fatalf("%+v", r)
	}
	<-next
	before := f.Map()
	if before.Version != 3 || before.ClusterID != "c" {
		t.Errorf("%+v", before)
	}
	f.Apply(&raft.Log{Index: 4, Data: []byte{250, 250}})
	if stopped == nil || !strings.Contains(stopped.Error(), "entry 4") {
		t.Errorf("stopped with %v", stopped)
	}
	if r, ok := f.Apply(&raft.Log{Index: 5, Data: create}).(state.Result); !ok || r.Err == nil || f.Map() != before {
		t.Errorf("went on: %+v", r)
	}
	if _, err := f.Snapshot(); err == nil {
		t.Error("made a snapshot of it")
	}
}

func TestProposalsThatWaitGoTogetherAndTheSameOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var batches [][]partition.Change
	hold := make(chan struct{})
	p := newProposals(func(changes []partition.Change) error {
		<-hold
		mu.Lock()
		defer mu.Unlock()
		batches = append(batches, changes)
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running, asking sync.WaitGroup
	running.Go(func() { p.run(ctx) })
	for i := range 40 {
		asking.Go(func() {
			c := partition.Change{Partition: partition.ID(i % 4), Epoch: 1, Primary: "n1"}
			if err := p.commit(ctx, []partition.Change{c}); err != nil {
				t.Error(err)
			}
		})
	}
	close(hold)
	asking.Wait()
	cancel()
	running.Wait()
	for _, b := range batches {
		if len(b) > 4 {
			t.Errorf("a batch of %d changes of 4 partitions", len(b))
		}
	}
	if err := p.commit(ctx, nil); !errors.Is(err, errOutcomeUnknown) {
		t.Errorf("after the end: %v", err)
	}
}

func TestRaftsLogGoesToSlog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newRaftLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
	l.Debug("not this")
	l.With("term", 3).Named("net").Warn("lost a peer", "servers", hclog.Fmt("%d of %d", 1, 3))
	l.ending.Store(true)
	l.Error("of no interest")
	got := out.String()
	for _, part := range []string{`level=WARN`, `msg="lost a peer"`, "component=raft", "term=3", `"1 of 3"`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s: no %s", got, part)
		}
	}
	if strings.Contains(got, "not this") || strings.Contains(got, "of no interest") {
		t.Errorf("level: %s", got)
	}
}

func TestASnapshotBringsTheMapBack(t *testing.T) {
	t.Parallel()
	f := newFSM(func(err error) { t.Error(err) })
	for i, c := range []state.Command{
		state.Create{ClusterID: "c", Application: "a", Settings: settingsWithDefaults(partition.Settings{})},
		state.Register{Node: partition.Node{ID: "n1", Store: 5, Incarnation: 1, PeerAddr: "h:1"}},
	} {
		raw, err := state.Encode(c)
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := f.Apply(&raft.Log{Index: uint64(i + 3), Data: raw}).(state.Result); !ok || r.Err != nil {
			t.Fatalf("%+v", r)
		}
	}
	shot, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	store := raft.NewInmemSnapshotStore()
	sink, err := store.Create(raft.SnapshotVersionMax, 4, 1, raft.Configuration{}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := shot.Persist(sink); err != nil {
		t.Fatal(err)
	}
	_, from, err := store.Open(sink.ID())
	if err != nil {
		t.Fatal(err)
	}
	again := newFSM(func(err error) { t.Error(err) })
	if err := again.Restore(from); err != nil {
		t.Fatal(err)
	}
	m := again.Map()
	if n, ok := m.Node("n1"); !ok || n.Store != 5 || m.Version != 4 || m.ClusterID != "c" {
		t.Errorf("%+v", m)
	}
	if err := again.Restore(io.NopCloser(strings.NewReader("nonsense"))); err == nil {
		t.Error("restored nonsense")
	}
}

// Of copies that no epoch says are good, the best cannot be told before all nodes have
// reported how much they have.
func TestNoCopyIsChosenWhileAnotherIsUnknown(t *testing.T) {
	t.Parallel()
	full, empty := aCopy{node: "n1", live: true, reported: true, progress: 5}, aCopy{node: "n2", live: true, reported: true}
	for _, test := range []struct {
		name   string
		copies []aCopy
		want   int
	}{
		{"all have reported", []aCopy{full, empty}, 0},
		{"one is not live", []aCopy{empty, {node: "n3", reported: true, progress: 5}}, 1},
		{"one has not reported", []aCopy{empty, {node: "n3", live: true}}, 1},
		{"none is live", []aCopy{{node: "n1"}, {node: "n2"}}, 2},
		{"the best is in sync", []aCopy{{node: "n1", live: true, inSync: true}, {node: "n2"}}, 0},
		{"the best is eligible", []aCopy{{node: "n1", live: true, eligible: true}, {node: "n2"}}, 0},
		{"there is only one", []aCopy{{node: "n1"}}, 0},
	} {
		if got := unknownCopies(test.copies); len(got) != test.want {
			t.Errorf("%s: %v are unknown, want %d", test.name, got, test.want)
		}
	}
}
