package gateway

import (
	"testing"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// A write that a primary has no room for is refused at once, with the time to
// come again; but not where an earlier attempt of it may be in a log.
func TestNoRoomAtThePrimary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome replica.Outcome
		status  int
		code    string
	}{{replica.Overloaded, 429, "overloaded"}, {replica.DiskFull, 507, "disk-full"}} {
		f := newFake("n4")
		f.setMap(fakeMap(2, 2, "n2"))
		attempts := 0
		f.send = func(_ partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
			attempts++
			done(replica.Answer{Outcome: c.outcome, Partition: op.Partition, Epoch: op.Epoch}, Certain)
		}
		n := serve(t, f, Limits{})
		r := n.do("PUT", "/v1/kv/a", "v").want(t, c.status, c.code)
		if r.Header.Get("Retry-After") == "" || attempts != 1 {
			t.Errorf("%d: Retry-After %q after %d attempts", c.status, r.Header.Get("Retry-After"), attempts)
		}
		first := true
		f.mu.Lock()
		f.send = func(_ partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
			if first {
				first = false
				done(replica.Answer{}, MaybeSent)
				return
			}
			done(replica.Answer{Outcome: c.outcome, Partition: op.Partition, Epoch: op.Epoch}, Certain)
		}
		f.mu.Unlock()
		n.do("PUT", "/v1/kv/a?timeout=50ms", "v").want(t, 504, "outcome-unknown")
	}
}
