package dataplane

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/partition"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		listen, advertise string
		want              string // in the error; "" is fine
	}{
		{"127.0.0.1:7071", "", ""},
		{"127.0.0.1:0", "", ""},
		{"0.0.0.0:7071", "10.0.0.1:7071", ""},
		{"0.0.0.0:7071", "", "set --advertise-peer-addr"},
		{":7071", "", "set --advertise-peer-addr"},
		{"[::]:7071", "", "set --advertise-peer-addr"},
		{"[::ffff:0.0.0.0]:7071", "", "set --advertise-peer-addr"},
		{"127.0.0.1:7071", "0.0.0.0:7071", "advertise-peer-addr: 0.0.0.0:7071"},
		{"127.0.0.1:7071", "host", `advertise-peer-addr: address "host"`},
		{"127.0.0.1", "", `peer-addr: address "127.0.0.1"`},
		{"127.0.0.1:http", "", "not a number"},
		{"127.0.0.1:70000", "", "not a number"},
	} {
		err := checkAdvertised("peer-addr", test.listen, "advertise-peer-addr", test.advertise)
		switch {
		case test.want == "" && err != nil, test.want != "" && err == nil:
			t.Errorf("%s advertised as %q: %v, want %q", test.listen, test.advertise, err, test.want)
		case err != nil && !strings.Contains(err.Error(), test.want):
			t.Errorf("%s advertised as %q: %v, want %q in it", test.listen, test.advertise, err, test.want)
		}
	}
}

func TestAdvertisedPortIsTheOneBound(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ listen, advertise, bound, want string }{
		{"127.0.0.1:0", "", "127.0.0.1:4567", "127.0.0.1:4567"},
		{"127.0.0.1:80", "", "127.0.0.1:80", "127.0.0.1:80"},
		{"0.0.0.0:0", "n1.example:0", "[::]:4567", "n1.example:4567"},
		{"0.0.0.0:80", "n1.example:8080", "0.0.0.0:80", "n1.example:8080"},
	} {
		got, err := advertised(test.listen, test.advertise, test.bound)
		if err != nil || got != test.want {
			t.Errorf("%+v: %s, %v", test, got, err)
		}
	}
}

func TestValidateTellsAllFaults(t *testing.T) {
	t.Parallel()
	good := Config{NodeID: "n1", DataDir: "d", Coordinators: []string{"127.0.0.1:7081"}}.WithDefaults()
	if err := good.Validate(); err != nil {
		t.Fatalf("defaults: %v", err)
	}
	bad := Config{
		HTTPAddr: "0.0.0.0:80", PeerAddr: "nonsense", Coordinators: []string{"a"}, Executors: 99,
	}.WithDefaults()
	bad.Timings.Promise = bad.Timings.Lease
	bad.Timings.Beacon = time.Second
	err := bad.Validate()
	if !errors.Is(err, ErrAdvertise) {
		t.Errorf("%v: want %v in it", err, ErrAdvertise)
	}
	for _, want := range []string{
		"id:", "data-dir:", "coordinators:", "--advertise-http-addr", "peer-addr:", "executors:", "a promise", "a beacon",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("faults %v: nothing about %q", err, want)
		}
	}
}

func TestNamesThatNobodyCouldSay(t *testing.T) {
	t.Parallel()
	for id, ok := range map[partition.NodeID]bool{"n1": true, "rack-2_node.7": true, "n 5/x": false, "ünode": false, "a\nb": false} {
		err := Config{NodeID: id}.WithDefaults().Validate()
		if named := strings.Contains(err.Error(), "letters, digits"); named == ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}
