package partition

import "testing"

func TestSuperseded(t *testing.T) {
	t.Parallel()
	const store = 7
	self := Node{ID: "n1", Store: store, Incarnation: 3, StartID: 5}
	named := func(version uint64, store StoreID, incarnation uint64) *Map {
		return &Map{Version: version, Nodes: []Node{{ID: "n1", Store: store, Incarnation: incarnation, StartID: 5}}}
	}
	twin := named(6, store, 3)
	twin.Nodes[0].StartID = 6
	without := func(version uint64) *Map { return &Map{Version: version} }
	for name, test := range map[string]struct {
		old, next *Map
		want      bool
	}{
		"the same start":                        {named(5, store, 3), named(6, store, 3), false},
		"a later start of the store":            {named(5, store, 3), named(6, store, 4), true},
		"another start with the same counter":   {named(5, store, 3), twin, true},
		"another store":                         {named(5, store, 3), named(6, 8, 1), true},
		"a store that was there already":        {named(5, 8, 1), named(6, 8, 1), false},
		"another store after an earlier start":  {named(5, store, 2), named(6, 8, 1), true},
		"another store where the node was gone": {without(5), named(6, 8, 1), true},
		"an earlier start of the store":         {named(5, store, 3), named(6, store, 2), false},
		"the node is gone":                      {named(5, store, 3), without(6), false},
		"restored: an earlier start":            {named(5, store, 3), named(4, store, 2), false},
		"restored: as many changes since":       {named(5, store, 3), named(5, store, 4), false},
		"restored: the store before":            {named(5, store, 3), named(4, 6, 9), false},
		"restored, then another change":         {named(4, 6, 9), named(5, 6, 9), false},
		"restored, then a start of that store":  {named(4, 6, 9), named(5, 6, 10), true},
	} {
		if got := Superseded(test.old, test.next, &self); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
