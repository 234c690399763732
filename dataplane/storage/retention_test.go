package storage

import "testing"

func TestRetention(t *testing.T) {
	t.Parallel()
	r := newRetention()
	stretch := func(first uint64, sequences ...uint64) {
		r.begin(first)
		for _, s := range sequences {
			r.add(1, put(s, "k", ""))
		}
		r.grow(100)
	}
	want := func(what string, needed uint64) {
		t.Helper()
		if got := r.needed(); got != needed {
			t.Errorf("%s: needed from %d, want %d", what, got, needed)
		}
	}
	want("empty", 0)
	stretch(1, 1, 2, 3)
	stretch(11, 4, 5, 6)
	stretch(21)
	want("nothing flushed", 1)
	r.flushed(1, 2)
	want("part of the first stretch flushed", 1)
	r.flushed(1, 3)
	want("first stretch flushed", 11)
	if !r.cut(11) || r.cut(11) || r.bytes() != 200 {
		t.Errorf("cut: %d bytes left", r.bytes())
	}
	r.add(1, put(5, "k", ""))
	want("5 and 6 replaced", 11)
	r.flushed(1, 4)
	want("4 flushed", 21)
	r.add(1, put(2, "k", ""))
	r.flushed(1, 1)
	want("everything replaced", 21)
	r.begin(31)
	want("the last stretch only", 21)
	r.forget(1)
	want("forgotten", 31)
	first, needy := r.oldest()
	if first != 31 || len(needy) != 0 {
		t.Errorf("oldest %d %v", first, needy)
	}
}

// Entries that were replaced do not hold the log.
func TestRetentionOfReplacedEntries(t *testing.T) {
	t.Parallel()
	r := newRetention()
	r.begin(1)
	r.add(1, put(7, "k", ""))
	r.add(1, put(8, "k", ""))
	r.add(1, put(9, "k", ""))
	r.begin(11)
	r.add(1, put(8, "k", ""))
	r.flushed(1, 8)
	if got := r.needed(); got != 11 {
		t.Errorf("needed from %d, want 11", got)
	}
}
