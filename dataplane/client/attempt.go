package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// answer is a server's answer, whole.
type answer struct {
	status int
	header http.Header
	body   []byte
	// foreign says that no Holdfast server gave the answer, but something
	// between: a proxy, a load balancer, a network that wants a login. Of its
	// body only the beginning is here.
	foreign bool
	way     Way
}

// errUnsent marks a failure before any byte of the request was written.
var errUnsent = errors.New("never sent")

const (
	// grace is how much longer than the server we wait, so that its own word on
	// the outcome arrives.
	grace = 300 * time.Millisecond
	// longestWait is the longest that a server may be asked to wait for a primary.
	longestWait = time.Minute
	// longestProblem is the most that is read of an error's body.
	longestProblem = 64 << 10
	// longestQuote is the most that is read of a foreign answer.
	longestQuote = 200
)

// attempt sends the call to one server. An error that wraps errUnsent is of a
// request that certainly did not arrive; after any other it may have.
func (c *Client) attempt(ctx context.Context, server string, k *call, number int, others bool) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnsent, err)
	}
	deadline, _ := ctx.Deadline()
	query := url.Values{}
	for name, values := range k.query {
		query[name] = values
	}
	address, wait := server+k.path, time.Duration(0)
	if k.ofKey() {
		left := time.Until(deadline)
		wait = min(max(left-min(grace, left/4), time.Millisecond), longestWait)
		query.Set("timeout", wait.Round(time.Microsecond).String())
		address += "?" + query.Encode()
	}
	ctx, quiet := watchSilence(ctx, silenceLimit(k, wait, number, others))
	defer quiet.end()
	var sent atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// The transport asks for another connection only if it wrote nothing to
		// the one before: fill sees to that.
		GetConn: func(string) { sent.Store(false) },
		GotConn: func(got httptrace.GotConnInfo) {
			sent.Store(true) // from here on, bytes of the request may leave
			quiet.use(got.Conn)
		},
	})
	req, err := http.NewRequestWithContext(traced, k.method, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnsent, err)
	}
	k.fill(req, func(n int) { sent.Store(true); quiet.moved(n) })
	resp, err := c.http.Do(req)
	if err != nil {
		err = quiet.explain(err)
		if !sent.Load() {
			err = fmt.Errorf("%w: %w", errUnsent, err)
		}
		return nil, err
	}
	defer resp.Body.Close()
	return read(resp, k, quiet)
}

// fill gives the request its header and body; taken is told of each part of the
// body that the transport takes.
func (c *call) fill(req *http.Request, taken func(n int)) {
	for name, values := range c.header {
		req.Header[name] = values
	}
	if key, ok := c.header[idempotencyHeader]; ok {
		// The transport sends a request again by itself where its header has this
		// name in its usual form. Then an attempt that may have been applied
		// would stay unknown to do, which would believe what the next one is told.
		delete(req.Header, idempotencyHeader)
		req.Header[lowerIdempotencyHeader] = key
	}
	// Any coding would be allowed otherwise, and the value is wanted as it is.
	req.Header["Accept-Encoding"] = identityOnly
	if len(c.body) == 0 {
		if c.body != nil {
			req.Body = http.NoBody // Content-Length: 0
		}
		return
	}
	req.ContentLength = int64(len(c.body))
	req.GetBody = func() (io.ReadCloser, error) {
		return io.NopCloser(&meter{bytes.NewReader(c.body), taken}), nil
	}
	req.Body, _ = req.GetBody()
}

var identityOnly = []string{"identity"}

// meter tells of every part that is read of a body. Parts are small: a reader may
// fill a large one first, and an answer in one chunk would move once. It hides
// the reader's WriteTo, by which all would be taken at once.
type meter struct {
	from  io.Reader
	taken func(n int)
}

// meterPart is the most that moves between two signs of it.
const meterPart = 16 << 10

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.from.Read(b[:min(len(b), meterPart)])
	if n > 0 {
		m.taken(n)
	}
	return n, err
}

// read takes the rest of the answer.
func read(resp *http.Response, k *call, quiet *silence) (*answer, error) {
	h := resp.Header
	out := &answer{status: resp.StatusCode, header: h, way: Way{
		Node: h.Get("Holdfast-Node"), Role: h.Get("Holdfast-Role"), Partition: h.Get("Holdfast-Partition"),
		Route: h.Get("Holdfast-Route"), Timing: h.Get("Server-Timing"),
	}}
	quiet.moved(1)
	body := io.Reader(&meter{resp.Body, quiet.moved})
	out.foreign = out.way.Node == "" && h.Get("Holdfast-Coordinator") == ""
	switch {
	case out.foreign:
		body = io.LimitReader(body, longestQuote)
	case resp.StatusCode/100 != 2:
		body = io.LimitReader(body, longestProblem)
	case resp.ContentLength < 0 && len(resp.TransferEncoding) == 0:
		// It ends where the connection does, so nobody can tell whether it is whole.
		return nil, errors.New("read answer: something between has taken off its length")
	}
	var err error
	out.body, err = io.ReadAll(body)
	if err != nil && !out.foreign && (!k.write || resp.StatusCode/100 != 2) {
		// A write's success is in its status; everything else needs the body.
		return nil, fmt.Errorf("read answer: %w", quiet.explain(err))
	}
	return out, nil
}
