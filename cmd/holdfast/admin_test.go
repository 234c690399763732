package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/coordinator"
)

// scripted is a coordinator that answers admin commands with one step after another,
// the last again and again. It is the only one of its cluster.
type scripted struct {
	*httptest.Server
	mu         sync.Mutex
	operations []string // of the commands that came
}

// sent are the operation IDs of the commands that came.
func (s *scripted) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.operations)
}

type step struct {
	status int
	body   string
	hang   bool // until the client has left
	silent bool // it is no coordinator: it does not name the operation
}

func script(t *testing.T, nodes string, steps ...step) *scripted {
	t.Helper()
	s := &scripted{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Holdfast-Coordinator", "c1")
		switch r.URL.Path {
		case "/v1/cluster":
			fmt.Fprintf(w, clusterJSON, "c1", strings.TrimPrefix(s.URL, "http://"), "follower")
			return
		case "/v1/nodes":
			io.WriteString(w, nodes)
			return
		case "/v1/partitions":
			io.WriteString(w, `{"version":9,"partitions":[]}`)
			return
		case "/v1/moves":
			io.WriteString(w, `{"moves":[]}`)
			return
		}
		if wait, err := time.ParseDuration(r.URL.Query().Get("timeout")); err != nil || wait > coordinator.LongestWait {
			t.Errorf("a coordinator is asked to wait for %q", r.URL.RawQuery)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		operation := r.Header.Get("Holdfast-Operation-Id")
		s.mu.Lock()
		now := steps[min(len(s.operations), len(steps)-1)]
		s.operations = append(s.operations, operation)
		s.mu.Unlock()
		if now.hang {
			<-r.Context().Done()
			return
		}
		if !now.silent {
			w.Header().Set("Holdfast-Operation-Id", operation)
		}
		w.WriteHeader(now.status)
		io.WriteString(w, now.body)
	}))
	t.Cleanup(s.Close)
	return s
}

var (
	appliedStep = step{status: 200, body: `{"version":9,"node":"n4","duty":"draining","weight":1,"rebalance":{},"done":true}`}
	unknownStep = step{status: 504, body: `{"code":"outcome-unknown","detail":"no commit in time"}`}
	awayStep    = step{status: 503, body: `{"code":"unavailable","detail":"no leader"}`}
	refusedStep = step{status: 409, body: `{"code":"refused","detail":"too few other nodes"}`}
	proxyStep   = step{status: 502, body: "<html>bad gateway</html>", silent: true}
	pageStep    = step{status: 200, body: `{"done":true}`, silent: true}
	reusedStep  = step{status: 422, body: `{"code":"operation-id-reused","detail":"another command"}`}
	badStep     = step{status: 400, body: `{"code":"bad-request","detail":"a body of another form"}`, silent: true}
	hangStep    = step{hang: true}
)

// No coordinator is asked to wait for longer than it would: it refuses that.
func TestAnAdminCommandMayHaveALongTimeout(t *testing.T) {
	t.Parallel()
	s := script(t, "", appliedStep)
	if code, _, errOut := execute(t, "", "drain", "n4", "--detach", "--server", s.URL, "--timeout", "5m"); code != exitOK {
		t.Errorf("exit code %d: %s", code, errOut)
	}
}

// An admin command reports its own outcome, however its attempts end.
func TestAnAdminCommandReportsItsOutcome(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		steps []step
		code  int
		sent  int // 0: more than one
	}{
		"applied at once":          {[]step{appliedStep}, exitOK, 1},
		"refused":                  {[]step{refusedStep}, exitPrecondition, 1},
		"an ID of another command": {[]step{reusedStep}, exitUsage, 1},
		"malformed":                {[]step{badStep}, exitUsage, 1},
		"unknown, then malformed, then the result": {[]step{unknownStep, badStep, appliedStep}, exitOK, 3},
		"unknown, then malformed":                  {[]step{unknownStep, badStep}, exitUnknown, 0},
		"no leader: it is not applied":             {[]step{awayStep}, exitNotApplied, 1},
		"unknown, then the result":                 {[]step{unknownStep, awayStep, appliedStep}, exitOK, 3},
		"unknown, then the result: refused":        {[]step{unknownStep, refusedStep}, exitPrecondition, 2},
		"unknown, and then no leader":              {[]step{unknownStep, awayStep}, exitUnknown, 0},
		"unknown to the end":                       {[]step{unknownStep}, exitUnknown, 0},
		"an answer of something on the way":        {[]step{proxyStep}, exitUnknown, 0},
		"a page of something on the way":           {[]step{pageStep}, exitUnknown, 0},
		"something on the way, then the result":    {[]step{proxyStep, appliedStep}, exitOK, 2},
		"no answer":                                {[]step{hangStep}, exitUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, "", c.steps...)
			code, out, errOut := execute(t, "", "drain", "n4", "--detach", "--server", s.URL, "--timeout", "1s")
			if code != c.code || (out != "") != (code == exitOK) {
				t.Errorf("exit code %d, want %d: %q %q", code, c.code, out, errOut)
			}
			sent := s.sent()
			if c.sent > 0 && len(sent) != c.sent {
				t.Errorf("it was sent %d times, want %d", len(sent), c.sent)
			}
			for _, operation := range sent {
				if operation == "" || operation != sent[0] {
					t.Errorf("operations %q", sent)
				}
			}
			if code == exitUnknown && !strings.Contains(errOut, "--operation-id "+sent[0]) {
				t.Errorf("it does not say how to find out: %s", errOut)
			}
		})
	}
}

// A command that no coordinator has had is not applied.
func TestAnAdminCommandThatWasNotSentIsNotApplied(t *testing.T) {
	t.Parallel()
	gone := nobody(t)
	server := answering(t, map[string]string{"GET /v1/cluster": fmt.Sprintf(clusterJSON, "c1", gone, "follower")}, 200)
	if code, _, errOut := execute(t, "", "pause", "--server", server, "--timeout", "1s"); code != exitNotApplied || !strings.Contains(errOut, "nothing was changed") {
		t.Errorf("%d %s", code, errOut)
	}
}

func TestTheOperationIDThatWasGivenIsSent(t *testing.T) {
	t.Parallel()
	done := step{status: 200, body: `{"partition":5,"node":"n2","done":true,"epoch":8,"may_lose":"nothing"}`}
	s := script(t, "", done)
	// It was applied before: no server is asked again.
	code, out, errOut := execute(t, "", "unsafe-recover", "--partition", "5", "--operation-id", "op-1", "--server", s.URL)
	if code != exitOK || !strings.Contains(out, "n2 is its primary, in epoch 8") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
	if sent := s.sent(); len(sent) != 1 || sent[0] != "op-1" {
		t.Errorf("%q", sent)
	}
	s = script(t, "", unknownStep)
	if code, _, _ = execute(t, "", "unsafe-recover", "--partition", "5", "--yes", "--server", s.URL, "--timeout", "500ms"); code != exitNotApplied {
		t.Errorf("a preview that was not answered: %d", code)
	}
}

// While drain waits, a server with an older map, or none, ends nothing; another
// command does.
func TestDrainWaitsForItsOwnEnd(t *testing.T) {
	t.Parallel()
	node := func(version int, duty string) string {
		return fmt.Sprintf(`{"version":%d,"nodes":[{"id":"n4","state":"live","duty":%q}]}`, version, duty)
	}
	for name, c := range map[string]struct {
		nodes string
		code  int
		want  string
	}{
		"it holds nothing":        {node(9, "draining"), exitOK, "is drained"},
		"an older map":            {node(8, "draining"), exitUnknown, "the command was applied"},
		"it was undrained":        {node(9, "full"), exitPrecondition, "another command came after this one"},
		"it was removed":          {`{"version":9,"nodes":[]}`, exitPrecondition, "another command came after this one"},
		"the server fails":        {`nothing`, exitUnknown, "the command was applied"},
		"it is not there by then": {`{"version":8,"nodes":[]}`, exitUnknown, "the command was applied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script(t, c.nodes, appliedStep)
			begin := time.Now()
			code, out, errOut := execute(t, "", "drain", "n4", "--server", s.URL, "--timeout", "500ms")
			if code != c.code || !strings.Contains(out+errOut, c.want) {
				t.Errorf("exit code %d after %v: %q %q", code, time.Since(begin), out, errOut)
			}
		})
	}
}
