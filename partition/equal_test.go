package partition

import (
	"reflect"
	"testing"
)

// Two nodes, and two configurations, that differ in any field are not the same: a
// field that is not compared would never reach those who follow the map.
func TestEveryFieldIsCompared(t *testing.T) {
	t.Parallel()
	for field := range fieldsOf[Node](t) {
		if changed := with[Node](field); changed.Equal(&Node{}) {
			t.Errorf("nodes are equal whatever their %s", field)
		}
	}
	for field := range fieldsOf[Configuration](t) {
		if changed := with[Configuration](field); changed.Equal(&Configuration{}) {
			t.Errorf("configurations are equal whatever their %s", field)
		}
	}
}

func fieldsOf[T any](t *testing.T) map[string]bool {
	t.Helper()
	fields := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		fields[f.Name] = true
	}
	if len(fields) < 8 {
		t.Fatalf("only %v", fields)
	}
	return fields
}

// with returns a value of which one field is not zero.
func with[T any](field string) *T {
	value := new(T)
	f := reflect.ValueOf(value).Elem().FieldByName(field)
	switch f.Kind() {
	case reflect.String:
		f.SetString("x")
	case reflect.Slice:
		f.Set(reflect.MakeSlice(f.Type(), 1, 1))
	case reflect.Map:
		f.Set(reflect.ValueOf(map[string]string{"kv": ":1"}))
	default:
		f.SetUint(1)
	}
	return value
}

// Two processes of one node cannot run at the same time where they listen at the
// same address: at the peer address, where either has one.
func TestSameAddress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		a, b Node
		want bool
	}{
		"the same peer address":            {Node{PeerAddr: "a:1", HTTPAddr: "a:2"}, Node{PeerAddr: "a:1", HTTPAddr: "b:2"}, true},
		"another peer address":             {Node{PeerAddr: "a:1", HTTPAddr: "a:2"}, Node{PeerAddr: "b:1", HTTPAddr: "a:2"}, false},
		"a peer address of one":            {Node{PeerAddr: "a:1", HTTPAddr: "a:2"}, Node{HTTPAddr: "a:2"}, false},
		"a peer address of the other":      {Node{HTTPAddr: "a:2"}, Node{PeerAddr: "a:1", HTTPAddr: "a:2"}, false},
		"no peer address, the same HTTP":   {Node{HTTPAddr: "a:2"}, Node{HTTPAddr: "a:2"}, true},
		"no peer address, another HTTP":    {Node{HTTPAddr: "a:2"}, Node{HTTPAddr: "b:2"}, false},
		"services of a program, the same":  {Node{Services: map[string]string{"s": "a:3"}}, Node{Services: map[string]string{"s": "a:3"}}, true},
		"services of a program, elsewhere": {Node{Services: map[string]string{"s": "a:3"}}, Node{Services: map[string]string{"s": "b:3"}}, false},
	} {
		if got := test.a.SameAddress(&test.b); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestRebalanceBounds(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		r     Rebalance
		valid bool
	}{
		"the default":             {DefaultRebalance, true},
		"no moves, no throttle":   {Rebalance{}, true},
		"the most":                {Rebalance{AtOnce: MostAtOnce, AtOnceEach: MostAtOnce, Throttle: MostThrottle}, true},
		"too many moves":          {Rebalance{AtOnce: MostAtOnce + 1}, false},
		"too many moves of each":  {Rebalance{AtOnceEach: MostAtOnce + 1}, false},
		"fewer moves than none":   {Rebalance{AtOnce: -1}, false},
		"fewer of each than none": {Rebalance{AtOnceEach: -1}, false},
		"too high a throttle":     {Rebalance{Throttle: MostThrottle + 1}, false},
		"a throttle below zero":   {Rebalance{Throttle: -1}, false},
	} {
		if err := test.r.Validate(); (err == nil) != test.valid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
