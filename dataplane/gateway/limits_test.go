package gateway

import (
	"fmt"
	"testing"
	"time"
)

// A limit is the last value that is allowed.
func TestLimitsAreInclusive(t *testing.T) {
	t.Parallel()
	const longest = 3 * time.Second
	n := serve(t, newFake("n4"), Limits{Timeout: time.Second, LongestTimeout: longest})
	for _, test := range []struct {
		query  string
		status int
	}{
		{"timeout=" + longest.String(), 2},
		{"timeout=1ns", 2},
		{"timeout=0s", 4},
		{"timeout=" + (longest + 1).String(), 4},
		{"ttl=" + shortestTTL.String(), 2},
		{"ttl=" + longestTTL.String(), 2},
		{"ttl=" + (shortestTTL - 1).String(), 4},
		{"ttl=" + (longestTTL + time.Millisecond).String(), 4},
		{"ttl=1001us", 4},
	} {
		// 503 and 504 are of a deadline that has passed at once: it was allowed.
		if got := n.do("PUT", "/v1/kv/a?"+test.query, "v"); (got.StatusCode == 400) != (test.status == 4) {
			t.Errorf("%s: %d %s", test.query, got.StatusCode, got.body)
		}
	}
	for length, allowed := range map[int]bool{1: true, longestIdempotencyKey: true, longestIdempotencyKey + 1: false} {
		key := fmt.Sprintf("%0*d", length, 0)
		if got := n.do("PUT", "/v1/kv/a", "v", "Idempotency-Key", key); (got.StatusCode/100 == 2) != allowed {
			t.Errorf("an Idempotency-Key of %d characters: %d %s", length, got.StatusCode, got.body)
		}
	}
}
