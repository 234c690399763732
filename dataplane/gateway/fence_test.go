package gateway

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// fence has the node refuse everything, from another goroutine's view too.
func (f *fake) fence(reason string) {
	err := errors.New(reason)
	f.fenced.Store(&err)
}

func TestAFencedNodeServesNothing(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	n := serve(t, f, Limits{})
	n.do("PUT", "/v1/kv/k", "v")
	f.fence("another start has its place")
	sent := f.attempts()
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		r := n.do(method, "/v1/kv/k", "")
		if r.StatusCode != http.StatusServiceUnavailable || method != "HEAD" && !strings.Contains(string(r.body), "another start has its place") {
			t.Errorf("%s: %d %s", method, r.StatusCode, r.body)
		}
		if role := r.Header.Get("Holdfast-Role"); role != "none" {
			t.Errorf("%s: role %s", method, role)
		}
	}
	for _, path := range []string{"/v1/kv/k?consistency=stale", "/v1/partitions", "/v1/partitions/1", "/v1/nodes", "/v1/cluster", "/v1/locate/k"} {
		if r := n.do("GET", path, ""); r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(r.body), "another start has its place") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	if f.attempts() != sent {
		t.Error("it asked another node")
	}
}

// A request under way when the node is fenced ends soon, with what is known of it.
func TestTheFenceEndsARequestUnderWay(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		sent   Sent
		status int
	}{
		"that nobody got":        {NeverSent, http.StatusServiceUnavailable},
		"that somebody may have": {MaybeSent, http.StatusGatewayTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake("n4")
			f.send = func(_ partition.NodeID, _ replica.Operation, done func(replica.Answer, Sent)) {
				f.fence("another start has its place")
				done(replica.Answer{}, test.sent)
			}
			n := serve(t, f, Limits{})
			began := time.Now()
			r := n.do("PUT", "/v1/kv/k?timeout=50s", "v")
			if r.StatusCode != test.status || !strings.Contains(string(r.body), "another start has its place") || time.Since(began) > 20*time.Second {
				t.Errorf("%d after %v: %s", r.StatusCode, time.Since(began), r.body)
			}
		})
	}
}
