package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// execute runs the program with arguments and standard input.
func execute(t *testing.T, input string, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, strings.NewReader(input), &o, &e)
	return code, o.String(), e.String()
}

// cluster is an HTTP server that answers as the map says: path to status, code or body.
func answering(t *testing.T, answers map[string]string, status int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Holdfast-Node", "n4")
		body, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"code":"no-such-route","detail":"no such route"}`)
			return
		}
		h.Set("ETag", `"0000002a-7"`)
		h.Set("Holdfast-Role", "none")
		h.Set("Holdfast-Partition", "partition-12")
		h.Set("Holdfast-Route", "n4 > n2 (primary) > n1, n3")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestExitCodesOfDataCommands(t *testing.T) {
	t.Parallel()
	problem := func(code string) map[string]string {
		text := fmt.Sprintf(`{"code":%q,"detail":"in words"}`, code)
		return map[string]string{"GET /v1/kv/k": text, "PUT /v1/kv/k": text, "DELETE /v1/kv/k": text}
	}
	for _, c := range []struct {
		name             string
		status           int
		code             string
		get, put, delete int
	}{
		{"absent", 404, "key-not-found", exitFailure, exitFailure, exitFailure},
		{"precondition", 412, "precondition-failed", exitPrecondition, exitPrecondition, exitPrecondition},
		{"too large", 413, "value-too-large", exitNotApplied, exitNotApplied, exitNotApplied},
		{"unavailable", 503, "unavailable", exitNotApplied, exitNotApplied, exitNotApplied},
		{"unknown", 504, "outcome-unknown", exitNotApplied, exitUnknown, exitUnknown},
		{"in progress", 409, "in-progress", exitNotApplied, exitUnknown, exitUnknown},
		{"of another request", 422, "idempotency-key-reused", exitNotApplied, exitNotApplied, exitNotApplied},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := answering(t, problem(c.code), c.status)
			for command, want := range map[string]int{"get": c.get, "put": c.put, "delete": c.delete} {
				args := []string{command, "k", "--server", server, "--timeout", "200ms"}
				if command == "put" {
					args = append(args, "v")
				}
				code, out, errOut := execute(t, "", args...)
				if code != want || out != "" || !strings.Contains(errOut, "in words") {
					t.Errorf("%s: exit code %d, want %d; %q %q", command, code, want, out, errOut)
				}
			}
		})
	}
	if code, _, _ := execute(t, "", "put", "k", "v", "--server", nobody(t), "--timeout", "100ms"); code != exitNotApplied {
		t.Errorf("nobody there: exit code %d", code)
	}
}

func TestGetWritesTheRawValue(t *testing.T) {
	t.Parallel()
	server := answering(t, map[string]string{"GET /v1/kv/k": "a\x00b\n"}, 200)
	code, out, errOut := execute(t, "", "get", "k", "-v", "--server", nobody(t), "--server", server)
	if code != 0 || out != "a\x00b\n" || !strings.HasPrefix(errOut, "received by n4, which is none of partition-12's replicas; forwarded to n2, its primary; read there; 2 servers were asked; ") {
		t.Errorf("%d %q %q", code, out, errOut)
	}
	code, out, _ = execute(t, "", "get", "k", "--json", "--server", server)
	var told map[string]any
	if err := json.Unmarshal([]byte(out), &told); err != nil || code != 0 || told["value"] != "a\x00b\n" || told["partition"] != "partition-12" {
		t.Errorf("%d %s %v", code, out, err)
	}
	binary := answering(t, map[string]string{"GET /v1/kv/k": "\xff"}, 200)
	if _, out, _ = execute(t, "", "get", "k", "--json", "--server", binary); !strings.Contains(out, `"value_base64": "/w=="`) {
		t.Errorf("%s", out)
	}
	if code, out, _ = execute(t, "", "get", "absent", "--json", "--server", server); code != exitNotApplied {
		t.Errorf("%d %s", code, out)
	}
}

func TestPutReadsStandardInput(t *testing.T) {
	t.Parallel()
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, string(b))
		w.Header().Set("Holdfast-Node", "n4")
		w.Header().Set("ETag", `"0000002a-7"`)
	}))
	defer server.Close()
	for _, args := range [][]string{{"put", "k"}, {"put", "k", "-"}, {"put", "k", "given"}, {"put", "k", ""}} {
		if code, _, errOut := execute(t, "input\n", append(args, "--server", server.URL)...); code != 0 {
			t.Errorf("%v: %d %s", args, code, errOut)
		}
	}
	if want := "[input\n input\n given ]"; fmt.Sprint(got) != want {
		t.Errorf("wrote %q", got)
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	node := []string{"node", "--id", "n1", "--data-dir", dir, "--coordinators", "127.0.0.1:1"}
	coordinator := []string{"coordinator", "--id", "c1", "--data-dir", dir}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":             {nil, "expected one of"},
		"unknown command":        {[]string{"nonsense"}, "nonsense"},
		"unknown flag":           {[]string{"node", "--nonsense"}, "nonsense"},
		"missing flags":          {[]string{"node"}, "--id"},
		"address without a port": {append(node, "--http-addr", "localhost"), "HOST:PORT"},
		"port out of range":      {append(node, "--peer-addr", "localhost:99999"), "65535"},
		"everywhere, told to others": {append(node, "--http-addr", "0.0.0.0:7070"),
			"--advertise-http-addr"},
		"everywhere is advertised":      {append(node, "--peer-addr", "0.0.0.0:1", "--advertise-peer-addr", "[::]:1"), "nobody can dial"},
		"coordinator's address":         {append(coordinator, "--initial-cluster", "c1=a", "--http-addr", ":7080"), "--advertise-http-addr"},
		"not in its own cluster":        {append(coordinator, "--initial-cluster", "c2=127.0.0.1:1"), "does not name this coordinator"},
		"an even number":                {append(coordinator, "--initial-cluster", "c1=127.0.0.1:1,c2=127.0.0.1:2"), "odd"},
		"settings":                      {append(coordinator, "--initial-cluster", "c1=127.0.0.1:1", "--replication-factor", "2", "--min-in-sync", "3"), "min-in-sync"},
		"no nodes":                      {[]string{"dev", "--nodes", "0"}, "at least 1"},
		"log level":                     {append(node, "--log-level", "loud"), "log-level"},
		"log format":                    {append(node, "--log-format", "xml"), "log-format"},
		"size":                          {append(node, "--memory-table", "-1"), "memory-table"},
		"server":                        {[]string{"get", "k", "--server", "ftp://x"}, "server"},
		"conditions":                    {[]string{"put", "k", "v", "--if-absent", "--if-match", "x"}, "exclude"},
		"partition":                     {[]string{"recover", "--partition", "x"}, "partition"},
		"a partition to list":           {[]string{"partitions", "--partition", "x"}, "partition"},
		"unsafe recovery of what":       {[]string{"unsafe-recover"}, "--partition"},
		"a file that is not there":      {append(node, "--config", filepath.Join(dir, "absent")), "absent"},
		"locate without a key":          {[]string{"locate"}, "key"},
		"a wrong duration":              {[]string{"get", "k", "--timeout", "soon"}, "timeout"},
		"a coordinator without members": {coordinator, "initial-cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errOut := execute(t, "", c.args...)
			if code != exitUsage || !strings.Contains(errOut, c.want) || out != "" {
				t.Errorf("exit code %d, %q, %q; want %q", code, out, errOut, c.want)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	if code, out, _ := execute(t, "", "--help"); code != 0 || !strings.Contains(out, "unsafe-recover") {
		t.Errorf("%d %s", code, out)
	}
	if code, out, _ := execute(t, "", "node", "--help"); code != 0 || !strings.Contains(out, "HOLDFAST_DATA_DIR") || !strings.Contains(out, "--coordinators") {
		t.Errorf("%d %s", code, out)
	}
	if code, out, _ := execute(t, "", "version", "--json"); code != 0 || !json.Valid([]byte(out)) {
		t.Errorf("%d %s", code, out)
	}
}

const (
	clusterJSON = `{"id":"abc","application":"holdfast","version":7,"leader":"%s","coordinators":[{"id":"c1","state":"leader","http_addr":%q},{"id":"c2","state":"%s"}],
		"settings":{"partitions":2,"replication_factor":3,"min_in_sync":2,"expect_nodes":3}}`
	nodesJSON      = `{"version":7,"nodes":[{"id":"n1","state":"live"},{"id":"n2","state":"live","zone":"z"},{"id":"n3","state":"%s"}]}`
	partitionsJSON = `{"version":7,"partitions":[{"id":0,"epoch":1,"primary":"n1","replicas":["n1","n2","n3"],"learners":[],"eligible":[]},
		{"id":1,"epoch":3,"primary":"%s","replicas":[%s],"learners":["n3"],"eligible":[]}]}`
)

func TestStatus(t *testing.T) {
	t.Parallel()
	status := func(leader, second, third, primary, replicas string) map[string]string {
		return map[string]string{
			"GET /v1/cluster":    fmt.Sprintf(clusterJSON, leader, "", second),
			"GET /v1/nodes":      fmt.Sprintf(nodesJSON, third),
			"GET /v1/partitions": fmt.Sprintf(partitionsJSON, primary, replicas),
		}
	}
	for name, c := range map[string]struct {
		answers map[string]string
		code    int
		want    []string
	}{
		"well": {status("c1", "follower", "live", "n2", `"n1","n2","n3"`), exitOK,
			[]string{"All is well", "c1 leads, c2", "n2 is live in zone z", "primary of 1 partition, in sync for 2"}},
		"degraded": {status("c1", "follower", "suspected: silent", "n2", `"n1","n2"`), exitDegraded,
			[]string{"node n3 is suspected: silent", "1 partition has fewer than 3 replicas in sync: partition-1"}},
		"no primary": {status("c1", "follower", "live", "", ``), exitDegraded,
			[]string{"1 partition has no primary and cannot be read or written: partition-1", "take no writes: partition-1"}},
		"coordinators": {status("", "unreachable", "live", "n2", `"n1","n2","n3"`), exitDegraded,
			[]string{"no coordinator leads", "coordinator c2 is unreachable"}},
		"no coordinator answers": {map[string]string{
			"GET /v1/cluster": fmt.Sprintf(clusterJSON, "c1", strings.TrimPrefix(nobody(t), "http://"), "follower"),
			"GET /v1/nodes":   fmt.Sprintf(nodesJSON, "live"), "GET /v1/partitions": fmt.Sprintf(partitionsJSON, "n2", `"n1","n2","n3"`)},
			exitDegraded, []string{"whether the map is frozen is not known"}},
		"a corrupt copy": {status("c1", "follower", `live","corrupt_replicas":[1],"zone":"`, "n2", `"n1","n2","n3"`), exitDegraded,
			[]string{"node n3 has 1 corrupt copy, to be made anew once enough others are in sync: partition-1"}},
		"before placement": {map[string]string{"GET /v1/cluster": fmt.Sprintf(clusterJSON, "c1", "", "follower"), "GET /v1/nodes": `{"nodes":[]}`, "GET /v1/partitions": `{"partitions":[]}`},
			exitDegraded, []string{"waits for 3 nodes, has 0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := answering(t, c.answers, 200)
			code, out, errOut := execute(t, "", "status", "--server", server)
			if code != c.code || errOut != "" {
				t.Errorf("exit code %d, %s", code, errOut)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
			if code, out, _ = execute(t, "", "status", "--json", "--server", server); code != c.code || !json.Valid([]byte(out)) {
				t.Errorf("JSON: exit code %d, %s", code, out)
			}
		})
	}
	if code, _, errOut := execute(t, "", "status", "--server", nobody(t)); code != exitNotApplied || !strings.Contains(errOut, "connection refused") {
		t.Errorf("nobody there: %d %s", code, errOut)
	}
}

func TestPartitionsAndLocate(t *testing.T) {
	t.Parallel()
	server := answering(t, map[string]string{
		"GET /v1/partitions": fmt.Sprintf(partitionsJSON, "", `"n1","n2"`),
		"GET /v1/locate/a/b": `{"key":"a/b","partition":1,"epoch":3,"primary":"","replicas":["n1","n2"]}`,
	}, 200)
	if code, out, _ := execute(t, "", "partitions", "--server", server); code != 0 || !strings.Contains(out, "partition-1  3      -        n1 n2     n3        -") {
		t.Errorf("%d\n%s", code, out)
	}
	if code, out, _ := execute(t, "", "partitions", "--partition", "1", "--json", "--server", server); code != 0 || strings.Contains(out, `"id": 0`) {
		t.Errorf("%d\n%s", code, out)
	}
	if code, _, _ := execute(t, "", "partitions", "--partition", "2", "--server", server); code != exitFailure {
		t.Errorf("a partition that is not there: %d", code)
	}
	if code, out, _ := execute(t, "", "locate", "a/b", "--server", server); code != 0 || !strings.Contains(out, `"a/b" is in partition-1: it has no primary now, in sync are n1 n2 (epoch 3)`) {
		t.Errorf("%d %s", code, out)
	}
}

func TestRecover(t *testing.T) {
	t.Parallel()
	var orders []string
	status := http.StatusOK
	var url string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Holdfast-Coordinator", "c1")
		if r.URL.Path == "/v1/cluster" {
			fmt.Fprintf(w, clusterJSON, "c1", strings.TrimPrefix(url, "http://"), "follower")
			return
		}
		w.Header().Set("Holdfast-Operation-Id", r.Header.Get("Holdfast-Operation-Id"))
		b, _ := io.ReadAll(r.Body)
		orders = append(orders, r.Method+" "+r.URL.Path+" "+string(b))
		w.WriteHeader(status)
		if status != http.StatusOK {
			io.WriteString(w, `{"code":"refused","detail":"not eligible"}`)
			return
		}
		fmt.Fprintf(w, `{"partition":5,"node":"n2","done":%v,"epoch":8,"may_lose":"the last writes"}`, strings.Contains(string(b), "confirm"))
	}))
	defer server.Close()
	url = server.URL
	if code, out, errOut := execute(t, "", "recover", "--partition", "5", "--server", url); code != 0 || !strings.Contains(out, "n2 is its primary, in epoch 8") {
		t.Errorf("%d %s %s", code, out, errOut)
	}
	if code, _, errOut := execute(t, "no\n", "unsafe-recover", "--partition", "partition-5", "--server", url); code != exitNotApplied || !strings.Contains(errOut, "may lose: the last writes") {
		t.Errorf("%d %s", code, errOut)
	}
	if code, out, _ := execute(t, "yes\n", "unsafe-recover", "--partition", "5", "--server", url); code != 0 || !strings.Contains(out, "n2") {
		t.Errorf("%d %s", code, out)
	}
	if code, _, _ := execute(t, "", "unsafe-recover", "--partition", "5", "--yes", "--json", "--server", url); code != 0 {
		t.Errorf("%d", code)
	}
	want := []string{`POST /v1/recover {"partition":5}`, `POST /v1/unsafe-recover {"partition":5}`,
		`POST /v1/unsafe-recover {"partition":5}`, `POST /v1/unsafe-recover {"partition":5,"node":"n2","epoch":8,"confirm":true}`,
		`POST /v1/unsafe-recover {"partition":5}`, `POST /v1/unsafe-recover {"partition":5,"node":"n2","epoch":8,"confirm":true}`}
	if strings.Join(orders, "\n") != strings.Join(want, "\n") {
		t.Errorf("orders:\n%s", strings.Join(orders, "\n"))
	}
	status = http.StatusConflict
	if code, _, errOut := execute(t, "", "recover", "--partition", "5", "--server", url); code != exitPrecondition || !strings.Contains(errOut, "not eligible") {
		t.Errorf("refused: %d %s", code, errOut)
	}
}
