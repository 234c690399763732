package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const behindJSON = `{"behind":true,"judged":77,"version":50,"reported":["n1","n2"],"missing":[%s],"waiting":["n2"],"lost":[],"frozen":[3],
	"partitions":[{"id":3,"epoch":5,"adopted":9,"primary":"n2","replicas":["n1","n2"],"learners":[],"eligible":[],"may_lose":"%s"}],"done":%v}`

// wentBack is a coordinator that went back to an old map. It notes the commands
// that it gets.
func wentBack(t *testing.T, missing, mayLose string) (url string, orders func() string) {
	t.Helper()
	var got []string
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Holdfast-Coordinator", "c1")
		w.Header().Set("Holdfast-Operation-Id", r.Header.Get("Holdfast-Operation-Id"))
		switch r.URL.Path {
		case "/v1/cluster":
			fmt.Fprintf(w, clusterJSON, "c1", strings.TrimPrefix(server.URL, "http://"), "leader")
		case "/v1/recover-map":
			b, _ := io.ReadAll(r.Body)
			if r.Method == http.MethodPost {
				got = append(got, string(b))
			}
			fmt.Fprintf(w, behindJSON, missing, mayLose, strings.Contains(string(b), "confirm"))
		case "/v1/nodes":
			io.WriteString(w, `{"version":50,"nodes":[{"id":"n1","state":"live"},{"id":"n2","state":"live"}]}`)
		case "/v1/partitions":
			io.WriteString(w, `{"version":50,"partitions":[{"id":3,"epoch":5,"primary":"n1","replicas":["n1","n2"]}]}`)
		}
	})
	return server.URL, func() string { return strings.Join(got, "\n") }
}

func TestStatusTellsOfAMapThatIsBehind(t *testing.T) {
	t.Parallel()
	url, _ := wentBack(t, `"n3"`, "")
	code, out, errOut := execute(t, "", "status", "--server", url)
	if code != exitDegraded || strings.Contains(out, "All is well") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
	for _, want := range []string{"holdfast recover-map", "partition is frozen", "partition-3", "1 node is frozen", "n2", "has not reported", "n3"} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not say %q:\n%s", want, out)
		}
	}
}

// status lists a start that waits for the operator, unless the node is live again.
func TestStatusTellsOfAStartThatWaits(t *testing.T) {
	t.Parallel()
	for state, want := range map[string]bool{"suspected": true, "live": false} {
		server := httptest.NewServer(nil)
		t.Cleanup(server.Close)
		server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Holdfast-Coordinator", "c1")
			switch r.URL.Path {
			case "/v1/cluster":
				fmt.Fprintf(w, clusterJSON, "c1", strings.TrimPrefix(server.URL, "http://"), "leader")
			case "/v1/recover-map":
				io.WriteString(w, `{"behind":false}`)
			case "/v1/overrides":
				io.WriteString(w, `{"overrides":[],"unsettled_starts":[{"node":"n2","store_id":"00000000000000aa","peer_addr":"h:9","elsewhere":true},
					{"node":"n3","store_id":"00000000000000bb","elsewhere":true,"chosen":true}]}`)
			case "/v1/nodes":
				fmt.Fprintf(w, `{"version":50,"nodes":[{"id":"n1","state":"live"},{"id":"n2","state":"%s"},{"id":"n3","state":"suspected"}]}`, state)
			case "/v1/partitions":
				io.WriteString(w, `{"version":50,"partitions":[{"id":3,"epoch":5,"primary":"n1","replicas":["n1","n2"]}]}`)
			}
		})
		_, out, errOut := execute(t, "", "status", "--server", server.URL)
		if got := strings.Contains(out, "holdfast accept-start n2 --store 00000000000000aa"); got != want || strings.Contains(out, "accept-start n3") {
			t.Errorf("n2 is %s:\n%s%s", state, out, errOut)
		}
	}
}

func TestRecoverMap(t *testing.T) {
	t.Parallel()
	url, orders := wentBack(t, "", "the last writes")
	if code, out, _ := execute(t, "", "recover-map", "--dry-run", "--server", url); code != 0 ||
		!strings.Contains(out, "epoch 9 of the nodes follows epoch 5 of the map; primary n2, in sync n1, n2") || !strings.Contains(out, "may lose: the last writes") {
		t.Errorf("%d %s", code, out)
	}
	if code, _, errOut := execute(t, "no\n", "recover-map", "--server", url); code != exitNotApplied || !strings.Contains(errOut, "may lose: the last writes") {
		t.Errorf("%d %s", code, errOut)
	}
	if code, out, errOut := execute(t, "yes\n", "recover-map", "--lost", "n7", "--lost", "n8", "--server", url); code != 0 || !strings.Contains(out, "recovered") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
	want := strings.Join([]string{`{}`, `{}`, `{"lost":["n7","n8"]}`, `{"judged":77,"lost":["n7","n8"],"confirm":true}`}, "\n")
	if got := orders(); got != want {
		t.Errorf("orders:\n%s\nwant\n%s", got, want)
	}
}

func TestRecoverMapNamesWhoIsMissing(t *testing.T) {
	t.Parallel()
	url, orders := wentBack(t, `"n3"`, "")
	code, _, errOut := execute(t, "yes\n", "recover-map", "--server", url)
	if code != exitPrecondition || !strings.Contains(errOut, "n3") || !strings.Contains(errOut, "--lost") {
		t.Errorf("%d %s", code, errOut)
	}
	if strings.Contains(orders(), "confirm") {
		t.Errorf("it was done: %s", orders())
	}
}
