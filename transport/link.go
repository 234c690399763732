package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialer makes a connection of a network, before TLS and hello.
type dialer func(ctx context.Context, addr string) (net.Conn, error)

// link keeps a connection to an address. One goroutine makes the connections
// and serves each to its end.
type link struct {
	o       Options
	addr    string
	dial    dialer
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	retry   chan struct{} // holds one for a pause that is to end
	current atomic.Pointer[conn]
	err     atomic.Pointer[error] // why there is no connection
}

func newLink(addr string, o Options, dial dialer) *link {
	l := &link{o: o.withDefaults(), addr: addr, dial: dial, retry: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.wg.Go(func() { l.run(ctx) })
	return l
}

// run connects again and again. The waits begin anew only after a connection
// that lasted, so that a peer that accepts and fails is not pestered.
func (l *link) run(ctx context.Context) {
	wait := newBackOff()
	for ctx.Err() == nil {
		c, err := l.connect(ctx)
		switch {
		case err == nil:
			c.gone = l.lost
			l.current.Store(c)
			c.serve(ctx)
			if c.now() > int64(wait.MaxInterval) {
				wait.Reset()
			}
		case ctx.Err() == nil:
			err = fmt.Errorf("connecting to %s: %w", l.addr, err)
			l.lost(err)
			if l.o.Failed != nil {
				l.o.Failed(err)
			}
		}
		if !pause(ctx, wait, l.retry) {
			return
		}
	}
}

// Retry implements Link.
func (l *link) Retry() {
	if l.Connected() {
		return
	}
	select {
	case l.retry <- struct{}{}:
	default:
	}
}

// lost notes that there is no connection, and why.
func (l *link) lost(err error) {
	l.err.Store(&err)
	l.current.Store(nil)
}

// connect makes one connection, TLS and hello included.
func (l *link) connect(ctx context.Context) (c *conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.DialTimeout)
	defer cancel()
	raw, err := l.dial(ctx, l.addr)
	if err != nil {
		return nil, err
	}
	// A connection whose making is given up is closed under the one who makes it.
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer func() {
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			_ = raw.Close()
		}
	}()
	nc, err := secure(ctx, raw, l.addr, l.o.TLS)
	if err != nil {
		return nil, err
	}
	in := newFrameReader(nc)
	identity, err := offerHello(nc, in, &l.o)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("hello: %w", context.Cause(ctx))
		}
		return nil, err
	}
	return established(&l.o, nc, raw, in, identity)
}

// secure puts TLS, if any, on a connection that was dialled.
func secure(ctx context.Context, raw net.Conn, addr string, config *tls.Config) (net.Conn, error) {
	if config == nil {
		return raw, nil
	}
	if config.ServerName == "" && !config.InsecureSkipVerify {
		name, _, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		config = config.Clone()
		config.ServerName = name
	}
	nc := tls.Client(raw, config)
	if err := nc.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return nc, nil
}

// Send implements Conn.
func (l *link) Send(body []byte) error {
	if c := l.current.Load(); c != nil {
		return c.Send(body)
	}
	return ErrDown
}

// SendAs implements Conn.
func (l *link) SendAs(rank Rank, body []byte) error {
	if c := l.current.Load(); c != nil {
		return c.SendAs(rank, body)
	}
	return ErrDown
}

// Call implements Conn.
func (l *link) Call(body []byte, timeout time.Duration, done func(reply []byte, err error)) {
	if c := l.current.Load(); c != nil {
		c.Call(body, timeout, done)
		return
	}
	done(nil, ErrDown)
}

// Identity implements Conn.
func (l *link) Identity() any {
	if c := l.current.Load(); c != nil {
		return c.Identity()
	}
	return nil
}

// RemoteAddr implements Conn.
func (l *link) RemoteAddr() string { return l.addr }

// Connected implements Link.
func (l *link) Connected() bool { return l.current.Load() != nil }

// Err implements Link.
func (l *link) Err() error {
	if err := l.err.Load(); err != nil && !l.Connected() {
		return *err
	}
	return nil
}

// Close implements Conn.
func (l *link) Close() error {
	l.cancel()
	l.wg.Wait()
	return nil
}
