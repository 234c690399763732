package simulation

import (
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
)

func TestHistories(t *testing.T) {
	t.Parallel()
	put := func(from, to int64, sequence uint64, existed bool) *span {
		return &span{from: from << fine, to: to << fine, call: &call{action: replica.Put, fate: done, sequence: sequence, existed: existed}}
	}
	remove := func(from, to int64, sequence uint64) *span {
		return &span{from: from << fine, to: to << fine, call: &call{action: replica.Delete, fate: done, sequence: sequence, existed: sequence != 0}}
	}
	get := func(from, to int64, sequence uint64) *span {
		c := &call{action: replica.Get, fate: found, sequence: sequence}
		if sequence == 0 {
			c.fate = absent
		}
		return &span{from: from << fine, to: to << fine, call: c}
	}
	refused := func(from, to int64, sequence, wanted uint64) *span {
		return &span{from: from << fine, to: to << fine, call: &call{
			action: replica.Put, fate: failed, sequence: sequence,
			condition: replica.Condition{IfMatch: []entry.ETag{{Sequence: wanted}}},
		}}
	}
	for _, test := range []struct {
		name    string
		history []*span
		want    bool
	}{
		{"nothing", nil, true},
		{"one after another", []*span{put(1, 2, 5, false), get(3, 4, 5), put(5, 6, 7, true), get(7, 8, 7)}, true},
		{"a read at the same time sees either", []*span{put(1, 9, 5, false), get(2, 3, 0), get(4, 5, 5)}, true},
		{"an old value after the new one was seen", []*span{put(1, 9, 5, false), get(2, 3, 5), get(4, 5, 0)}, false},
		{"an old value after the write", []*span{put(1, 2, 5, false), put(3, 4, 6, true), get(5, 6, 5)}, false},
		{"a write that was lost", []*span{put(1, 2, 5, false), get(3, 4, 0)}, false},
		{"sequences against time", []*span{put(1, 2, 6, false), put(3, 4, 5, true)}, false},
		{"created over a value", []*span{put(1, 2, 5, false), put(3, 4, 6, false)}, false},
		{"a delete of nothing", []*span{remove(1, 2, 0), put(3, 4, 5, false), remove(5, 6, 8), remove(7, 8, 0)}, true},
		{"a delete of nothing where there was something", []*span{put(1, 2, 5, false), remove(3, 4, 0)}, false},
		{"nothing, in the second of two places", []*span{
			put(1, 2, 3, false), put(3, 20, 9, false), remove(1, 20, 6), get(4, 5, 3), get(2, 19, 0), get(8, 9, 9), remove(10, 11, 12),
		}, true},
		{"a condition that held is no reason to refuse", []*span{put(1, 2, 5, false), refused(3, 4, 5, 5)}, false},
		{"a condition that did not hold", []*span{put(1, 2, 5, false), refused(3, 4, 5, 4)}, true},
		{"an open write seen late", []*span{put(1, 1<<40, 5, false), get(2, 3, 0), get(50, 60, 5)}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := judge(test.history) == porcupine.Ok; got != test.want {
				t.Errorf("linearizable %v, want %v", got, test.want)
			}
		})
	}
}
