package storage

import (
	"reflect"
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/partition"
)

func request(origin partition.StoreID, boot, counter, lowest uint64) *entry.Entry {
	return &entry.Entry{
		Position: entry.Position{Sequence: 1000 + counter}, Existed: counter%2 == 0,
		Request: entry.RequestID{Origin: origin, Boot: boot, Counter: counter}, LowestOpen: lowest,
	}
}

func TestRequestsAreRememberedAndForgotten(t *testing.T) {
	t.Parallel()
	const unknown, known, forgotten = "unknown", "known", "forgotten"
	r := newRequests()
	for _, step := range []struct {
		apply *entry.Entry
		ask   map[entry.RequestID]string
	}{
		{request(1, 1, 5, 3), map[entry.RequestID]string{
			{Origin: 1, Boot: 1, Counter: 5}: known, {Origin: 1, Boot: 1, Counter: 4}: unknown, {Origin: 1, Boot: 1, Counter: 2}: forgotten,
			{Origin: 2, Boot: 1, Counter: 5}: unknown, {Origin: 1, Boot: 2, Counter: 1}: unknown,
		}},
		{request(1, 1, 9, 3), map[entry.RequestID]string{{Origin: 1, Boot: 1, Counter: 5}: known}},
		{request(1, 1, 7, 2), map[entry.RequestID]string{ // late: the lowest never goes down
			{Origin: 1, Boot: 1, Counter: 7}: known, {Origin: 1, Boot: 1, Counter: 2}: forgotten,
		}},
		{request(1, 1, 10, 7), map[entry.RequestID]string{
			{Origin: 1, Boot: 1, Counter: 5}: forgotten, {Origin: 1, Boot: 1, Counter: 7}: known,
			{Origin: 1, Boot: 1, Counter: 9}: known, {Origin: 1, Boot: 1, Counter: 10}: known,
		}},
		{request(2, 4, 1, 1), map[entry.RequestID]string{{Origin: 1, Boot: 1, Counter: 7}: known, {Origin: 2, Boot: 4, Counter: 1}: known}},
		{request(1, 2, 1, 1), map[entry.RequestID]string{ // a new boot: nothing of the one before is open
			{Origin: 1, Boot: 2, Counter: 1}: known, {Origin: 1, Boot: 1, Counter: 10}: forgotten, {Origin: 1, Boot: 1, Counter: 99}: forgotten,
		}},
		{&entry.Entry{Kind: entry.Marker}, map[entry.RequestID]string{{}: unknown}},
	} {
		r.apply(step.apply)
		for id, want := range step.ask {
			got := unknown
			result, applied, gone := r.lookup(id)
			switch {
			case applied:
				got = known
				if want := (entry.Result{Sequence: 1000 + id.Counter, Existed: id.Counter%2 == 0}); result != want {
					t.Errorf("%+v answered %+v, want %+v", id, result, want)
				}
			case gone:
				got = forgotten
			}
			if got != want {
				t.Errorf("after %+v: %+v is %s, want %s", step.apply.Request, id, got, want)
			}
		}
	}
	for origin, s := range r.origins {
		again, err := decodeSession(origin, s.encode(origin))
		if err != nil || again.boot != s.boot || again.start != s.start || again.lowest != s.lowest || !reflect.DeepEqual(again.results, s.results) {
			t.Errorf("encoded %+v, decoded %+v, %v", s, again, err)
		}
		if _, err := decodeSession(origin+1, s.encode(origin)); err == nil {
			t.Error("a session passes as another's")
		}
	}
}

// Two starts on copies of one directory repeat incarnation and counters: what one
// asked is no answer to the other.
func TestRequestsOfAnotherStartAreRefused(t *testing.T) {
	t.Parallel()
	r := newRequests()
	e := request(1, 2, 5, 1)
	e.Request.Start = 77
	r.apply(e)
	if _, applied, _ := r.lookup(e.Request); !applied {
		t.Fatal("an applied request is not found")
	}
	twin := e.Request
	twin.Start = 78
	if _, applied, forgotten := r.lookup(twin); applied || !forgotten {
		t.Errorf("the same counter of another start: applied %v, refused %v", applied, forgotten)
	}
	for origin, s := range r.origins {
		if again, err := decodeSession(origin, s.encode(origin)); err != nil || again.start != 77 {
			t.Errorf("encoded %+v, decoded %+v, %v", s, again, err)
		}
	}
}

func TestRequestsSurviveFlushAndReplay(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	table := f.OpenPartition(1, lineage)
	entries := puts(1, 20, 10)
	f.write(1, table, entries[:10]...)
	if err := f.flush(1, false); err != nil {
		t.Fatal(err)
	}
	f.write(1, table, entries[10:]...)
	f.close()
	f = open(t, o)
	r := f.recovered(1)
	r.State.Apply(r.Log)
	for _, e := range entries {
		result, applied, forgotten := r.State.Request(e.Request)
		if wantForgotten := e.Sequence < 15; forgotten != wantForgotten || applied == wantForgotten || applied && result.Sequence != e.Sequence {
			t.Errorf("request %d: %+v, applied %v, forgotten %v", e.Sequence, result, applied, forgotten)
		}
	}
}
