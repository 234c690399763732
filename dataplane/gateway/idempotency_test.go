package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/entry"
	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// TestFingerprint changes one thing at a time: the name stays what it is, and the
// request is another.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	base := func() replica.Operation {
		return replica.Operation{Action: replica.Put, Key: []byte("k"), Value: []byte("v")}
	}
	first := base()
	was := idempotency("name", &first)
	for name, edit := range map[string]func(op *replica.Operation){
		"method":     func(op *replica.Operation) { op.Action = replica.Delete },
		"body":       func(op *replica.Operation) { op.Value = []byte("w") },
		"ttl":        func(op *replica.Operation) { op.TTL = time.Second },
		"if match":   func(op *replica.Operation) { op.Condition.IfMatch = []entry.ETag{{Lineage: 1, Sequence: 2}} },
		"if none":    func(op *replica.Operation) { op.Condition.IfNoneMatch = []entry.ETag{{Lineage: 1, Sequence: 2}} },
		"if any":     func(op *replica.Operation) { op.Condition.IfMatchAny = true },
		"if there's": func(op *replica.Operation) { op.Condition.IfNoneMatchStar = true },
	} {
		op := base()
		edit(&op)
		if got := idempotency("name", &op); got.ID != was.ID || got.Fingerprint == was.Fingerprint {
			t.Errorf("%s: %x %x, without it %x %x", name, got.ID, got.Fingerprint, was.ID, was.Fingerprint)
		}
	}
	again, other := base(), base()
	other.Key = []byte("l")
	if got := idempotency("name", &again); *got != *was {
		t.Error("the same request is another")
	}
	if idempotency("name", &other).ID == was.ID || idempotency("another", &again).ID == was.ID {
		t.Error("another key, or name, is the same")
	}
}

// TestWhatAWriteCarries sees what goes to the replicas, and what becomes of their
// answers.
func TestWhatAWriteCarries(t *testing.T) {
	t.Parallel()
	f := newFake("n1")
	n := serve(t, f, Limits{})
	n.do("PUT", "/v1/kv/a?ttl=1m30s", "v", "Idempotency-Key", "name").want(t, 201, "")
	n.do("PUT", "/v1/kv/a", "v").want(t, 200, "")
	f.mu.Lock()
	with, without := f.sent[0], f.sent[1]
	f.mu.Unlock()
	if with.TTL != 90*time.Second || with.Idempotency == nil || without.TTL != 0 || without.Idempotency != nil {
		t.Errorf("with both: %v %v; without: %v %v", with.TTL, with.Idempotency, without.TTL, without.Idempotency)
	}
	for outcome, want := range map[replica.Outcome]struct {
		status int
		code   string
		retry  string
	}{
		replica.InProgress: {http.StatusConflict, "in-progress", "1"},
		replica.KeyReused:  {http.StatusUnprocessableEntity, "idempotency-key-reused", ""},
	} {
		f.send = func(_ partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
			done(replica.Answer{Outcome: outcome, Partition: op.Partition, Epoch: op.Epoch}, Certain)
		}
		r := n.do("PUT", "/v1/kv/a", "v", "Idempotency-Key", "name").want(t, want.status, want.code)
		if got := r.Header.Get("Retry-After"); got != want.retry {
			t.Errorf("%s: Retry-After %q, want %q", want.code, got, want.retry)
		}
	}
}

// TestAGatewayThatLeavesSendsItsClientsAway closes the connection with the answer.
func TestAGatewayThatLeavesSendsItsClientsAway(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n1"), Limits{})
	if n.do("PUT", "/v1/kv/a", "v").want(t, 201, "").Close {
		t.Error("closes though it does not leave")
	}
	n.gateway.Leave()
	if !n.do("GET", "/v1/kv/a", "").want(t, 200, "").Close {
		t.Error("keeps a connection though it leaves")
	}
}
