package storage

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/holdfast-io/holdfast/partition"
)

// Each start draws a number, and names the last accepted one and all since.
func TestStartsAreRemembered(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	next := func() Identity {
		t.Helper()
		f := open(t, o)
		defer f.close()
		return f.Identity()
	}
	first := next()
	if first.Start.ID == 0 || !first.Accepted.IsZero() || len(first.Since) > 0 {
		t.Fatalf("first: %+v", first)
	}
	second := next()
	if second.Start.ID == first.Start.ID || !slices.Equal(second.Since, []partition.Start{first.Start}) {
		t.Fatalf("second: %+v after %v", second, first.Start)
	}
	f := open(t, o)
	if err := f.AcceptStart(7); err != nil {
		t.Fatal(err)
	}
	third := f.Identity()
	if third.Accepted != third.Start || len(third.Since) > 0 {
		t.Errorf("accepted: %+v", third)
	}
	if err := f.AcceptStart(7); err != nil { // said twice
		t.Fatal(err)
	}
	f.close()
	fourth, fifth := next(), next()
	if fourth.Accepted != third.Start || len(fourth.Since) > 0 ||
		fifth.Accepted != third.Start || !slices.Equal(fifth.Since, []partition.Start{fourth.Start}) {
		t.Errorf("after an accepted start %v: %+v, then %+v", third.Start, fourth, fifth)
	}
}

// A copy of a directory draws other numbers than the original.
func TestACopyOfADirectoryCannotRepeatAStart(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	if err := f.AcceptStart(7); err != nil {
		t.Fatal(err)
	}
	f.close()
	twin := small(t.TempDir())
	if err := os.CopyFS(filepath.Join(twin.Dir, "."), os.DirFS(o.Dir)); err != nil {
		t.Fatal(err)
	}
	a, b := open(t, o).Identity(), open(t, twin).Identity()
	if a.Start.Incarnation != b.Start.Incarnation || a.StoreID != b.StoreID || a.Accepted != b.Accepted {
		t.Fatalf("the copy is none: %+v, %+v", a, b)
	}
	if a.Start == b.Start {
		t.Errorf("both are start %v", a.Start)
	}
}

// The oldest starts are dropped, the accepted one is not: the coordinators may
// refuse such a directory, and never take it for another.
func TestStartsAreBounded(t *testing.T) {
	t.Parallel()
	s := storeState{Start: partition.Start{Incarnation: 1, ID: 1}}
	s.Accepted = s.Start
	for range maxStarts + 10 {
		s.nextStart()
	}
	if len(s.Since) != maxStarts || s.Accepted != (partition.Start{Incarnation: 1, ID: 1}) || s.Since[0].Incarnation != 11 {
		t.Errorf("%d starts from %v, accepted %v", len(s.Since), s.Since[0], s.Accepted)
	}
}

func TestStartAbove(t *testing.T) {
	t.Parallel()
	o := small(t.TempDir())
	f := open(t, o)
	if err := f.StartAbove(41); err != nil {
		t.Fatal(err)
	}
	f.close()
	f = open(t, o)
	if got := f.Identity().Start.Incarnation; got != 42 {
		t.Errorf("the next start is %d", got)
	}
	if err := f.AcceptStart(7); err != nil {
		t.Fatal(err)
	}
	f.close()
	if got := open(t, o).Identity().Start.Incarnation; got != 43 {
		t.Errorf("the one after it is %d", got)
	}
}
