// Package client is the Go client of Holdfast's HTTP interface, used by the
// command line and by anybody's program. It sends each request to any server,
// which routes it, and asks another where that does not answer for good. A write
// has an Idempotency-Key, so that it is applied once however often it is sent.
package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// DefaultTimeout bounds an operation whose context has no deadline.
const DefaultTimeout = 10 * time.Second

// Config is what a client is made with.
type Config struct {
	// Servers are nodes, as HOST:PORT or http(s)://HOST:PORT. The first is asked
	// first; another when it does not answer.
	Servers []string
	// Routing says who finds the node that can serve a request; default ServerSide.
	Routing Routing
	// Spread lets every operation begin with the next server in turn.
	Spread bool
	// FailFast ends an operation once no server at all can be connected to, and a
	// read also once only other programs' servers have answered, rather than at
	// its deadline: for people, who see that no node runs there.
	FailFast bool
	TLS      *tls.Config // for https; nil is the machine's own
	// Timeout bounds an operation whose context has no deadline; default
	// DefaultTimeout.
	Timeout time.Duration
	// MaxConnections bounds idle connections kept to each server; default 64.
	MaxConnections int
}

// Client talks to a cluster. It is safe for concurrent use.
type Client struct {
	servers   []string // base URLs
	spread    bool
	failFast  bool
	timeout   time.Duration
	transport *http.Transport
	http      *http.Client
	turn      atomic.Uint32
	direct    *direct // nil with ServerSide
}

// New makes a client; it connects with its first request. It reports everything
// that is wrong with the configuration.
func New(c Config) (*Client, error) {
	var errs []error
	if len(c.Servers) == 0 {
		errs = append(errs, errors.New("name at least one server"))
	}
	out := &Client{spread: c.Spread, failFast: c.FailFast, timeout: c.Timeout}
	if out.timeout == 0 {
		out.timeout = DefaultTimeout
	}
	if out.timeout < 0 {
		errs = append(errs, fmt.Errorf("timeout %v: want it above zero", c.Timeout))
	}
	for _, text := range c.Servers {
		base, err := ParseServer(text)
		if err != nil {
			errs = append(errs, err)
		}
		out.servers = append(out.servers, base)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	idle := c.MaxConnections
	if idle == 0 {
		idle = 64
	}
	out.transport = &http.Transport{
		DialContext:     dial,
		TLSClientConfig: c.TLS, MaxIdleConnsPerHost: idle, IdleConnTimeout: 30 * time.Second,
		DisableCompression: true, TLSHandshakeTimeout: 5 * time.Second,
	}
	out.http = &http.Client{
		Transport:     out.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.Routing == Direct {
		scheme, _, _ := strings.Cut(out.servers[0], "://")
		out.direct = newDirect(out, scheme)
	}
	return out, nil
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, network, address)
	if err == nil {
		bound(conn)
	}
	return conn, err
}

// Close closes the connections that are idle; the client is not used after it.
func (c *Client) Close() {
	if c.direct != nil {
		c.direct.close()
	}
	c.transport.CloseIdleConnections()
}

// ParseServer returns a server's base URL from HOST:PORT or a URL.
func ParseServer(text string) (string, error) {
	full := text
	if !strings.Contains(full, "://") {
		full = "http://" + full
	}
	u, err := url.Parse(full)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", fmt.Errorf("server %q: want HOST:PORT or http://HOST:PORT", text)
	}
	return u.Scheme + "://" + u.Host, nil
}

// bounded gives ctx a deadline if it has none.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.timeout)
}
