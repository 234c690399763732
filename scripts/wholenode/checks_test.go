package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-io/holdfast/dataplane/client"
	"github.com/holdfast-io/holdfast/scripts/internal/history"
)

// preparedCluster is one that does not run.
func preparedCluster(t *testing.T) *cluster {
	t.Helper()
	c, err := newCluster(newPlan(1, time.Second), t.TempDir(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestDifferentReplicasAreNoticed: one comparison that found a difference counts,
// and so does a copy that was put aside, also of a start that has ended.
func TestDifferentReplicasAreNoticed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		metric, label string
		ended         bool
		want          string
	}{
		"a difference":           {metric: "hash_checks_total", label: "different", want: "replicas differ: 1"},
		"an earlier difference":  {metric: "hash_checks_total", label: "different", ended: true, want: "replicas differ: 1"},
		"a copy put aside":       {metric: "copies_set_aside_total", want: "1 copies were put aside"},
		"too few comparisons":    {metric: "hash_checks_total", label: "equal", want: "not yet"},
		"no comparisons of ours": {metric: "other_total", want: "not yet"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := preparedCluster(t)
			n := c.nodes[1]
			n.metrics = prometheus.NewRegistry()
			counter := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "holdfast", Name: test.metric}, []string{"result"})
			n.metrics.MustRegister(counter) //nolint:forbidigo // the registry is this test's
			counter.WithLabelValues(test.label).Inc()
			if test.ended {
				n.noteHashes()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := c.waitEqualHashes(ctx); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// TestANodeThatEndsByItselfIsNoticed: only an end that is the rig's doing is none.
func TestANodeThatEndsByItselfIsNoticed(t *testing.T) {
	t.Parallel()
	c := preparedCluster(t)
	broken := errors.New("it broke")
	c.nodes[0].failed(broken)
	c.nodes[1].harm()
	c.nodes[1].failed(broken)
	if len(c.problems) != 1 || !errors.Is(c.problems[0], broken) || !strings.Contains(c.problems[0].Error(), "n1") {
		t.Errorf("%v, want one problem of n1", c.problems)
	}
}

// TestARepetitionMustGetTheFirstAnswer: another ETag, or a condition that fails now,
// breaks the promise of an Idempotency-Key. The answer to the repetition of a write
// of unknown outcome tells the outcome.
func TestARepetitionMustGetTheFirstAnswer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answers []string // ETags; "412" is a condition that failed, "504" an unknown outcome
		good    bool
		want    history.Outcome
	}{
		"the same answer":       {[]string{`"a"`, `"a"`}, true, history.Applied},
		"another ETag":          {[]string{`"a"`, `"b"`}, false, history.Applied},
		"a failed condition":    {[]string{`"a"`, "412"}, false, history.Applied},
		"an outcome that shows": {[]string{"504", `"a"`}, true, history.Applied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left := test.answers
			names := map[string]bool{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				names[r.Header.Get("Idempotency-Key")] = true
				answer := left[0]
				if len(left) > 1 {
					left = left[1:]
				}
				w.Header().Set("Holdfast-Node", "n1")
				switch answer {
				case "412", "504":
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(map[string]int{"412": http.StatusPreconditionFailed, "504": http.StatusGatewayTimeout}[answer])
					fmt.Fprint(w, `{"code":"a-code"}`)
				default:
					w.Header().Set("ETag", answer)
					w.WriteHeader(http.StatusCreated)
				}
			}))
			defer server.Close()
			made, err := client.New(client.Config{Servers: []string{server.URL}})
			if err != nil {
				t.Fatal(err)
			}
			defer made.Close()
			c := &caller{load: &load{cluster: preparedCluster(t), began: time.Now()}, client: made, seen: map[string]sighting{}}
			o := history.Operation{Kind: history.Create, Key: "k", Value: "v"}
			if err := c.do(&o, 2*time.Second, true); (err == nil) != test.good || o.Outcome != test.want {
				t.Errorf("%s: %v", &o, err)
			}
			if len(names) != 1 || names[""] {
				t.Errorf("Idempotency-Keys %v, want one", names)
			}
		})
	}
}
