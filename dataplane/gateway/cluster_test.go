package gateway

import (
	"errors"
	"strings"
	"testing"
)

func TestClusterPaths(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	n := serve(t, f, Limits{})
	const three = `{"id":3,"epoch":1,"primary":"n2","replicas":["n1","n2","n3"],"learners":[],"eligible":[]}`
	for path, want := range map[string]string{
		"/v1/partitions":             `{"version":1,"partitions":[{"id":0,`,
		"/v1/partitions/3":           three,
		"/v1/partitions/partition-3": three,
		"/v1/nodes":                  `{"version":1,"nodes":[{"id":"n1","store_id":"0000000000000001","incarnation":1,"start_id":"0000000000000000","zone":"","http_addr":"h:n1","peer_addr":"","state":"live","duty":"full","weight":0}`,
		"/v1/cluster":                `{"id":"c","application":"holdfast","version":1,"leader":"c1","coordinators":[{"id":"c1"`,
		"/v1/locate/%7Ba%7D/b":       `{"key":"{a}/b","partition":`,
		"/v1/locate/%FF%FE":          `{"key_base64":"//4=","partition":`,
		"/livez":                     "ok\n",
		"/readyz":                    "ready\n",
	} {
		r := n.do("GET", path, "").want(t, 200, "")
		if !strings.HasPrefix(string(r.body), want) || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s\nwant %s; %v", path, r.body, want, r.Header)
		}
		n.do("HEAD", path, "").want(t, 200, "")
	}
	n.do("GET", "/v1/partitions/8", "").want(t, 404, "no-such-partition")
	n.do("GET", "/v1/partitions/x", "").want(t, 400, "bad-partition")
	n.do("GET", "/v1/locate/", "").want(t, 400, "empty-key")
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	f.ready = errors.New("the node replays its log")
	n := serve(t, f, Limits{})
	if r := n.do("GET", "/readyz", "").want(t, 503, "not-ready"); !strings.Contains(string(r.body), "replays its log") {
		t.Errorf("%s", r.body)
	}
	n.do("GET", "/livez", "").want(t, 200, "")
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	n.do("PUT", "/v1/kv/a", "v").want(t, 201, "")
	n.do("GET", "/v1/kv/b", "").want(t, 404, "")
	r := n.do("GET", "/metrics", "")
	for _, want := range []string{
		`holdfast_gateway_requests_total{method="put",outcome="ok"} 1`,
		`holdfast_gateway_requests_total{method="get",outcome="absent"} 1`,
		`holdfast_gateway_served_total{way="forwarded"} 2`,
		`holdfast_gateway_request_duration_seconds_count{method="put"} 1`,
		`holdfast_gateway_bodies_bytes 0`,
	} {
		if !strings.Contains(string(r.body), want+"\n") {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

func TestTwoGatewaysCannotShareMetrics(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	if _, err := New(Options{Backend: n.fake, Registerer: n.metrics}); err == nil {
		t.Fatal("metrics registered twice")
	}
	if _, err := New(Options{Backend: n.fake, Limits: Limits{Bodies: 1, HeaderBytes: 1}}); err == nil ||
		!strings.Contains(err.Error(), "bodies") || !strings.Contains(err.Error(), "header") {
		t.Fatalf("bad limits: %v", err)
	}
	if _, err := New(Options{}); err == nil {
		t.Fatal("no backend")
	}
}
