package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// raw sends bytes on a connection of their own and returns the answer.
func (n *node) raw(t *testing.T, bytes string) (*http.Response, string) {
	t.Helper()
	c := n.dial(t)
	if _, err := io.WriteString(c, bytes); err != nil {
		t.Fatal(err)
	}
	return answerOn(t, c)
}

func (n *node) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() }) //nolint:errcheck // the test is over
	return c
}

func answerOn(t *testing.T, c net.Conn) (*http.Response, string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // then the read blocks
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // read wholly
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func TestWhatIsNotHTTP(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{HeaderBytes: 4 << 10})
	for _, test := range []struct {
		bytes  string
		status int
		code   string
	}{
		{"GET /v1/kv/%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad-request"},
		{"GET /v1/kv/a HTTP/1.1\r\n\r\n", 400, "bad-request"},
		{"\x00\x01\x02\xff\r\n\r\n", 400, "bad-request"},
		{"GET /v1/kv/a HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", 431, "header-too-large"},
		{"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "transfer-encoding"},
		{"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, "bad-request"},
		{"PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, "bad-body"},
	} {
		r, body := n.raw(t, test.bytes)
		if r.StatusCode != test.status || !strings.Contains(body, `"code":"`+test.code+`"`) || r.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%.40q: %d %s", test.bytes, r.StatusCode, body)
		}
	}
	n.do("GET", "/livez", "").want(t, 200, "")
}

// TestValuesThatLookLikeAnswers: what net/http would answer by itself is
// rewritten on the connection; a value never is.
func TestValuesThatLookLikeAnswers(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	evil := "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	value := strings.Repeat("x", 4096-len(evil)) // so that a write may begin with it
	for range 4 {
		value += evil
		n.do("PUT", "/v1/kv/a", value).want(t, 0+map[bool]int{true: 201, false: 200}[len(value) <= 4096], "")
		if got := n.do("GET", "/v1/kv/a", "").want(t, 200, ""); string(got.body) != value {
			t.Fatalf("a value of %d bytes came back as %d", len(value), len(got.body))
		}
	}
}

// TestStalledUploads: 500 clients that declare the largest value, send a part
// of it and then nothing more, do not stop others: not those with small
// values, nor one with a large one.
func TestStalledUploads(t *testing.T) {
	t.Parallel()
	const clients, value = 500, 1 << 20
	n := serve(t, newFake("n4"), Limits{Value: value, Bodies: 8 * value, BodyStall: 30 * time.Second})
	part := strings.Repeat("x", 60<<10)
	var stalled sync.WaitGroup
	for i := range clients {
		c := n.dial(t)
		stalled.Go(func() {
			fmt.Fprintf(c, "PUT /v1/kv/%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", i, value, part) //nolint:errcheck // may be refused before it is sent
		})
	}
	stalled.Wait()
	eventually(t, "the uploads have used up the memory", func() bool { return !n.gateway.bodies.TryAcquire(value) })
	eventually(t, "a small value is taken", func() bool { return n.do("PUT", "/v1/kv/small", "v").StatusCode < 300 })
	large := strings.Repeat("y", value)
	eventually(t, "a large value is taken", func() bool { return n.do("PUT", "/v1/kv/large", large).StatusCode < 300 })
	n.do("GET", "/v1/kv/large", "").want(t, 200, "")
}

func TestBodiesThatDoNotArrive(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{BodyStall: 50 * time.Millisecond})
	for name, size := range map[string]int{"small": 100, "large": 1 << 20} {
		r, body := n.raw(t, fmt.Sprintf("PUT /v1/kv/%s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\nstart", name, size))
		if r.StatusCode != 408 || !strings.Contains(body, "request-timeout") {
			t.Errorf("%s: %d %s", name, r.StatusCode, body)
		}
	}
	eventually(t, "the memory is given back", func() bool {
		ok := n.gateway.bodies.TryAcquire(n.gateway.limits.Bodies)
		if ok {
			n.gateway.bodies.Release(n.gateway.limits.Bodies)
		}
		return ok
	})
}

// TestSlowUploadThatGoesOn: a body that keeps arriving may take longer than
// BodyStall, and its connection stays good.
func TestSlowUploadThatGoesOn(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{BodyStall: time.Second, BodyRate: 1})
	c := n.dial(t)
	const parts, size = 11, 20 << 10
	fmt.Fprintf(c, "PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", parts*size) //nolint:errcheck // the answer tells
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for range parts {
		<-ticker.C
		io.WriteString(c, strings.Repeat("x", size)) //nolint:errcheck // the answer tells
	}
	if r, body := answerOn(t, c); r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, body)
	}
	io.WriteString(c, "GET /v1/kv/a HTTP/1.1\r\nHost: a\r\n\r\n") //nolint:errcheck // the answer tells
	if r, body := answerOn(t, c); r.StatusCode != 200 || len(body) != parts*size {
		t.Fatalf("%d, %d bytes", r.StatusCode, len(body))
	}
}

func TestHeadersThatDoNotArrive(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{HeaderRead: 50 * time.Millisecond, Idle: 50 * time.Millisecond})
	for _, start := range []string{"", "GET /v1/kv/a HT", "GET /v1/kv/a HTTP/1.1\r\nHost: a\r\n"} {
		c := n.dial(t)
		io.WriteString(c, start)                            //nolint:errcheck // the close tells
		c.SetReadDeadline(time.Now().Add(10 * time.Second)) //nolint:errcheck // then the read blocks
		if _, err := io.Copy(io.Discard, c); err != nil {   // until the server closes it
			t.Errorf("%q: %v", start, err)
		}
	}
}
