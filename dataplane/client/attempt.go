package client

import (
	"bytes"
	"context"
	"encoding/json"
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
	way    Way
}

// errUnsent marks a failure before any byte of the request was written.
var errUnsent = errors.New("never sent")

// grace is how much longer than the server we wait, so that its own word on the
// outcome arrives.
const grace = 300 * time.Millisecond

// longestWait is the longest that a server may be asked to wait for a primary.
const longestWait = time.Minute

// attempt sends the call to one server. An error that wraps errUnsent is of a
// request that certainly did not arrive; after any other it may have.
func (c *Client) attempt(ctx context.Context, server string, k *call) (*answer, error) {
	deadline, _ := ctx.Deadline()
	query := url.Values{}
	for name, values := range k.query {
		query[name] = values
	}
	address := server + k.path
	if k.ofKey() {
		left := time.Until(deadline)
		wait := min(max(left-min(grace, left/4), time.Millisecond), longestWait)
		query.Set("timeout", wait.Round(time.Microsecond).String())
		address += "?" + query.Encode()
	}

	var wrote atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// From here on, bytes of the request may leave.
		GotConn: func(httptrace.GotConnInfo) { wrote.Store(true) },
	})
	var body io.Reader
	if k.body != nil {
		body = bytes.NewReader(k.body)
	}
	req, err := http.NewRequestWithContext(traced, k.method, address, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnsent, err)
	}
	for name, values := range k.header {
		req.Header[name] = values
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if !wrote.Load() {
			err = fmt.Errorf("%w: %w", errUnsent, err)
		}
		return nil, err
	}
	defer resp.Body.Close()
	out := &answer{status: resp.StatusCode, header: resp.Header, way: Way{
		Node: resp.Header.Get("Holdfast-Node"), Role: resp.Header.Get("Holdfast-Role"),
		Partition: resp.Header.Get("Holdfast-Partition"),
		Route:     resp.Header.Get("Holdfast-Route"), Timing: resp.Header.Get("Server-Timing"),
	}}
	if out.body, err = io.ReadAll(resp.Body); err != nil && (!k.write || resp.StatusCode/100 != 2) {
		// A write's success is in its status; everything else needs the body.
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return out, nil
}

// problem reads the words of an error answer (RFC 9457).
func (a *answer) problem() (code, detail string) {
	var p struct{ Code, Detail, Title string }
	if json.Unmarshal(a.body, &p) != nil || p.Code == "" {
		return "", fmt.Sprintf("%.200q", a.body)
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	return p.Code, p.Detail
}
