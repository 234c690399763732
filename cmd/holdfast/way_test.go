package main

import (
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/client"
)

func TestInWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		node, role, route string
		wrote             bool
		want              string
	}{
		{"n4", "none", "n4 > n2 (primary) > n1, n3", true,
			"received by n4, which is none of partition-12's replicas; forwarded to n2, its primary; stored there and on n1 and n3; 1.2 ms"},
		{"n2", "primary", "n2 (primary) > n1, n3, n5", true, "received by n2, partition-12's primary; stored there and on n1, n3 and n5; 1.2 ms"},
		{"n2", "primary", "n2 (primary)", true, "received by n2, partition-12's primary; stored there; 1.2 ms"},
		{"n1", "replica", "n1 > n2 (primary)", false, "received by n1, one of partition-12's replicas; forwarded to n2, its primary; read there; 1.2 ms"},
		{"n1", "replica", "n1 (replica)", false, "received by n1, one of partition-12's replicas; read from its own copy; 1.2 ms"},
	} {
		got := inWords(client.Way{Node: c.node, Role: c.role, Route: c.route, Partition: "partition-12", Took: 1200 * time.Microsecond, Attempts: 1}, c.wrote)
		if got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.route, got, c.want)
		}
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]size{"1": 1, "1024": 1024, "7B": 7, "64KiB": 64 << 10, "256 MiB": 256 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%s: %d, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "0", "-1", "1.5GiB", "MiB", "1 MB", "9999999999TiB"} {
		if new(size).UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is no size", text)
		}
	}
}
