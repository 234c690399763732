package transport

import "testing"

func TestCallTable(t *testing.T) {
	t.Parallel()
	table := newCallTable()
	var ended []int
	add := func(n int, deadline int64, offset uint64) uint64 {
		id, ok := table.add(func([]byte, error) { ended = append(ended, n) }, deadline, offset)
		if !ok {
			t.Fatal("full")
		}
		return id
	}
	first := add(1, 100, 0)
	add(2, 50, 10)
	if table.remove(first) == nil || table.remove(first) != nil {
		t.Fatal("a call is there exactly once")
	}
	again := add(3, 200, 20)
	if again == first || table.remove(first) != nil || len(table.slots) != 2 {
		t.Fatal("the slot is used again, under another ID")
	}
	if table.remove(12345) != nil {
		t.Fatal("an ID that never was")
	}
	run := func(list []func([]byte, error)) {
		for _, done := range list {
			done(nil, nil)
		}
	}
	run(table.expire(49))
	run(table.expire(50))
	if len(ended) != 1 || ended[0] != 2 || table.earliest != 200 {
		t.Fatalf("ended %v, next %d", ended, table.earliest)
	}
	add(4, 300, 30)
	sent, unsent := table.drain(30)
	run(sent)
	run(unsent)
	if len(sent) != 1 || len(unsent) != 1 || ended[1] != 3 || ended[2] != 4 || table.open != 0 {
		t.Fatalf("ended %v", ended)
	}
}
