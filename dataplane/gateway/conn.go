package gateway

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// listener makes the server's connections conns.
type listener struct {
	net.Listener
	write time.Duration
	node  string
}

func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{lazyReads: newLazyReads(c), write: l.write, node: l.node}, nil
}

// conn is a client's connection. The answers that net/http gives by itself, to
// what is not HTTP, has too long a header or expects what it does not know, are
// plain text or empty; conn gives them the form and headers of all other errors.
type conn struct {
	*lazyReads
	used  atomic.Bool   // a request has begun to arrive
	write time.Duration // without progress, until the client is given up
	until time.Time     // the write deadline that is set
	node  string        // for the Holdfast-Node header
	// serving says that a handler has the request: what is written is its
	// answer. Only the connection's own goroutine knows it.
	serving bool
}

// plainError is how net/http ends the header of such an answer, but of one to an
// expectation, which begins with expectationFailed.
var (
	plainError        = []byte("\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n")
	expectationFailed = []byte("HTTP/1.1 417 ")
)

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.lazyReads.Read(b)
	if n > 0 && !c.used.Load() {
		c.used.Store(true)
	}
	return n, err
}

// Write gives the client between half of the write limit and all of it: a
// deadline is set only when the last one is near, for each costs 0.1 us.
func (c *conn) Write(b []byte) (int, error) {
	if now := time.Now(); c.until.Sub(now) < c.write/2 {
		c.until = now.Add(c.write)
		if err := c.Conn.SetWriteDeadline(c.until); err != nil {
			return 0, err
		}
	}
	const status = len("HTTP/1.1 400")
	if c.serving || len(b) > 512 || len(b) < status || b[status-3] < '4' ||
		!bytes.Contains(b, plainError) && !bytes.HasPrefix(b, expectationFailed) {
		return c.Conn.Write(b)
	}
	p := problemOf(string(b[status-3 : status]))
	body := p.json("")
	_, err := fmt.Fprintf(c.Conn, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nCache-Control: no-store\r\n%s: %s\r\nConnection: close\r\n\r\n%s",
		p.status, http.StatusText(p.status), problemType[0], len(body), headerNode, c.node, body)
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// problemOf returns the problem for a status that net/http answered.
func problemOf(status string) *problem {
	switch status {
	case "417":
		return &badExpectation
	case "431":
		return &headerTooLarge
	case "501":
		return &transferEncoding
	case "505":
		return &httpVersion
	}
	return &malformed
}
