package coordinator

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

func TestDecideWhoFoundsTheGroup(t *testing.T) {
	t.Parallel()
	initial := map[string]string{"c1": "a1", "c2": "a2", "c3": "a3"}
	seen := func(id string, store partition.StoreID) protocol.Seen { return protocol.Seen{ID: id, Store: store} }
	group := []protocol.Seen{seen("c1", 1), seen("c2", 2), seen("c3", 3)}
	empty := func(id string, store partition.StoreID) protocol.Answer {
		return protocol.Answer{Self: seen(id, store)}
	}
	member := func(id string, store partition.StoreID, group ...protocol.Seen) protocol.Answer {
		return protocol.Answer{Self: seen(id, store), Group: group}
	}
	for name, test := range map[string]struct {
		self    protocol.Seen
		answers map[string]protocol.Answer
		waits   []string
		want    []partition.StoreID // of the group, in order of IDs
		emptied bool
		err     string
	}{
		"nobody answers":              {self: seen("c3", 3), waits: []string{"c1", "c2"}},
		"one of two is new too":       {self: seen("c3", 3), answers: map[string]protocol.Answer{"c1": empty("c1", 1)}, waits: []string{"c2"}},
		"all are new":                 {self: seen("c3", 3), answers: map[string]protocol.Answer{"c1": empty("c1", 1), "c2": empty("c2", 2)}, want: []partition.StoreID{1, 2, 3}},
		"one has founded it with us":  {self: seen("c3", 3), answers: map[string]protocol.Answer{"c1": member("c1", 1, group...)}, want: []partition.StoreID{1, 2, 3}},
		"with us and with an emptied": {self: seen("c3", 3), answers: map[string]protocol.Answer{"c1": member("c1", 1, group...), "c2": empty("c2", 22)}, want: []partition.StoreID{1, 2, 3}},
		"we are emptied":              {self: seen("c3", 33), answers: map[string]protocol.Answer{"c1": member("c1", 1, group...)}, emptied: true},
		"we are emptied, another new": {self: seen("c3", 33), answers: map[string]protocol.Answer{"c1": empty("c1", 11), "c2": member("c2", 2, group...)}, emptied: true},
		"a group without us":          {self: seen("c3", 3), answers: map[string]protocol.Answer{"c1": member("c1", 1, seen("c1", 1), seen("c2", 2), seen("c4", 4))}, err: "c1, c2, c4"},
		"somebody else at an address": {self: seen("c3", 3), answers: map[string]protocol.Answer{"c1": empty("c9", 1)}, err: `"c9"`},
		"two groups": {self: seen("c3", 3), err: "different groups", answers: map[string]protocol.Answer{
			"c1": member("c1", 1, group...), "c2": member("c2", 22, seen("c1", 1), seen("c2", 22), seen("c3", 3)),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, waits, err := decide(test.self, initial, test.answers)
			if test.emptied != errors.Is(err, ErrEmptied) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Fatalf("error %v", err)
			}
			if test.err == "" && !test.emptied && err != nil {
				t.Fatal(err)
			}
			var stores []partition.StoreID
			for _, g := range got {
				stores = append(stores, g.Store)
				if g.Addr != initial[g.ID] {
					t.Errorf("%s has address %s", g.ID, g.Addr)
				}
			}
			if !slices.Equal(stores, test.want) || !slices.Equal(waits, test.waits) {
				t.Errorf("group %v, waits for %v", got, waits)
			}
		})
	}
}

func TestConfigReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	c := Config{
		ID: "c 1", AdvertisePeerAddr: "h:2", InitialCluster: map[string]string{"c 1": "h:1", "c2": "0.0.0.0:5"},
		Settings: partition.Settings{ReplicationFactor: 3, MinInSync: 4},
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"id", "data-dir", "peer-addr", "h:2", "0.0.0.0:5", "odd", "min-in-sync"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: says nothing of %s", err, part)
		}
	}
}
