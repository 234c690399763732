package gateway

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// FuzzHTTP sends bytes to the HTTP interface. Whatever they are, it answers
// nothing, or with a status that is documented, and errors in the form of
// RFC 9457.
func FuzzHTTP(f *testing.F) {
	for _, raw := range []string{
		"GET /v1/kv/a HTTP/1.1\r\nHost: x\r\n\r\n",
		"PUT /v1/kv/a%2Fb?ttl=5s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nIf-None-Match: *\r\n\r\nabc",
		"PUT /v1/kv/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nIdempotency-Key: k\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"DELETE /v1/kv/{t}x HTTP/1.1\r\nHost: x\r\nIf-Match: \"00000007-3\"\r\n\r\n",
		"HEAD /v1/kv/a?consistency=stale HTTP/1.0\r\n\r\n", "GET /v1/cluster HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST /v1/kv/a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "GET //v1//kv/../kv/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /livez HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		f.Add([]byte(raw))
	}
	s := &still{fake: newFake("n4"), value: []byte("v")}
	s.send = func(_ partition.NodeID, _ replica.Operation, done func(replica.Answer, Sent)) {
		done(replica.Answer{Outcome: replica.Absent, Epoch: 1, Lineage: lineage}, Certain)
	}
	addr := serveFuzz(f, s)
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // then a stuck server shows as a stuck test
		c.Write(raw)                                    //nolint:errcheck // the server may close in the middle
		c.(*net.TCPConn).CloseWrite()                   //nolint:errcheck // as above
		method, _, _ := bytes.Cut(raw, []byte(" "))
		answer, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: string(method)})
		if err != nil {
			if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
				t.Fatalf("no end of the answer to %q", raw)
			}
			return
		}
		defer answer.Body.Close()
		checkAnswer(t, raw, answer)
	})
}

func checkAnswer(t *testing.T, raw []byte, answer *http.Response) {
	switch answer.StatusCode {
	case 100, 200, 201, 204, 304:
		return
	case 400, 404, 405, 409, 411, 412, 413, 414, 415, 417, 422, 428, 429, 431, 501, 503, 504, 505, 507:
	default:
		t.Fatalf("status %d to %q", answer.StatusCode, raw)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || len(body) == 0 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "application/problem+json") {
		return // to HEAD, or cut off; what is not a problem is what net/http says of what it cannot read
	}
	var problem struct {
		Code   string
		Status int
	}
	if err := json.Unmarshal(body, &problem); err != nil || problem.Status != answer.StatusCode || problem.Code == "" {
		t.Fatalf("status %d to %q: %s, %v", answer.StatusCode, raw, body, err)
	}
}

func serveFuzz(f *testing.F, backend Backend) string {
	g, err := New(Options{Backend: backend, Limits: Limits{}.WithDefaults()})
	if err != nil {
		f.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Serve(l) }()
	f.Cleanup(func() {
		if err := g.Close(); err != nil {
			f.Error(err)
		}
		<-done
	})
	return l.Addr().String()
}
