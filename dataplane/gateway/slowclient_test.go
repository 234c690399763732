package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-io/holdfast/dataplane/replica"
	"github.com/holdfast-io/holdfast/partition"
)

// A client that asks for a large value and does not read it is given up after a
// while, and what it held of the memory is given back.
func TestAClientThatDoesNotReadIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFake("n2")
	const value = 64 << 20 // more than a socket takes
	f.table["a"] = fakeValue{make([]byte, value), 1}
	n := serve(t, f, Limits{Value: value, Bodies: value, Write: time.Second})
	c := n.dial(t)
	if _, err := io.WriteString(c, "GET /v1/kv/a HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the value is on its way", func() bool { return !n.free() })
	eventually(t, "the memory is given back", n.free)
	eventually(t, "the connection is closed", func() bool {
		n.gateway.server.mu.Lock()
		defer n.gateway.server.mu.Unlock()
		return len(n.gateway.server.conns) == 0
	})
}

// The time limit of a body is over with the body: the answer may take longer.
func TestAnAnswerMayTakeLongerThanABodyMayStall(t *testing.T) {
	t.Parallel()
	const stall = 100 * time.Millisecond
	for name, size := range map[string]int{"small": 100, "large": 100 << 10} {
		f := newFake("n4")
		f.send = func(_ partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
			time.AfterFunc(4*stall, func() { done(f.apply(&op), Certain) })
		}
		n := serve(t, f, Limits{BodyStall: stall})
		if r := n.do("PUT", "/v1/kv/"+name, strings.Repeat("x", size)); r.StatusCode != 201 {
			t.Errorf("%s: %d %s", name, r.StatusCode, r.body)
		}
	}
}

// What is not HTTP gets a problem also on a connection that has served requests.
func TestWhatIsNotHTTPOnAKeptConnection(t *testing.T) {
	t.Parallel()
	n := serve(t, newFake("n4"), Limits{})
	c := n.dial(t)
	in := bufio.NewReader(c)
	ask := func(request string) (*http.Response, string) {
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		r, err := http.ReadResponse(in, nil)
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
	for range 2 {
		if r, body := ask("PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nv"); r.StatusCode/100 != 2 {
			t.Fatalf("%d %s", r.StatusCode, body)
		}
	}
	if r, body := ask("\x00\x01\r\n\r\n"); r.StatusCode != 400 || !strings.Contains(body, `"code":"bad-request"`) || r.Header.Get("Holdfast-Node") != "n4" {
		t.Errorf("%d %q, node %q", r.StatusCode, body, r.Header.Get("Holdfast-Node"))
	}
}

// A node that ends closes the connections that nothing came on at once. Those with
// a request under way get the answer.
func TestCloseLetsARequestUnderWayEnd(t *testing.T) {
	t.Parallel()
	f := newFake("n4")
	sent := make(chan func(), 1)
	f.send = func(_ partition.NodeID, op replica.Operation, done func(replica.Answer, Sent)) {
		sent <- func() { done(f.apply(&op), Certain) }
	}
	n := serve(t, f, Limits{})
	unused, used := n.dial(t), n.dial(t)
	fmt.Fprint(used, "PUT /v1/kv/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nv") //nolint:errcheck // the answer tells
	answer := <-sent
	closed := make(chan error, 1)
	go func() { closed <- n.gateway.Close() }()
	unused.SetReadDeadline(time.Now().Add(time.Minute)) //nolint:errcheck // then the read blocks
	if _, err := unused.Read(make([]byte, 1)); err == nil {
		t.Error("an unused connection got an answer")
	}
	n.gateway.server.mu.Lock() // it is held until all are closed that are closed at once
	open := len(n.gateway.server.conns)
	n.gateway.server.mu.Unlock()
	if open == 0 {
		t.Error("the connection with a request is closed")
	}
	answer()
	if r, body := answerOn(t, used); r.StatusCode != 201 {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
