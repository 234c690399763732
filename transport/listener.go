package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// listener accepts connections. One goroutine accepts, and one is started for
// each connection; Close waits for them all, but not for those that a function
// of Options.Streams has taken over.
type listener struct {
	o      Options
	nl     net.Listener
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu         sync.Mutex
	unverified []net.Conn // oldest first
}

func listen(nl net.Listener, o Options) *listener {
	l := &listener{o: o.withDefaults(), nl: nl}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.wg.Go(l.accept)
	return l
}

// Addr implements Listener.
func (l *listener) Addr() string { return l.nl.Addr().String() }

// Close implements Listener.
func (l *listener) Close() error {
	l.cancel()
	err := l.nl.Close()
	l.mu.Lock()
	for _, nc := range l.unverified {
		_ = nc.Close() // its goroutine sees the end
	}
	l.mu.Unlock()
	l.wg.Wait()
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("closing listener %s: %w", l.Addr(), err)
	}
	return nil
}

func (l *listener) accept() {
	wait := newBackOff()
	for {
		raw, err := l.nl.Accept()
		if err == nil {
			wait.Reset()
			if l.admit(raw) {
				l.wg.Go(func() { l.serve(raw) })
			}
			continue
		}
		if l.ctx.Err() != nil {
			return
		}
		// Out of file descriptors, most likely: what helps is to wait.
		l.o.Logger.Error("connection not accepted", "addr", l.Addr(), "err", err)
		if !pause(l.ctx, wait, nil) {
			return
		}
	}
}

// admit notes a connection as not verified; where there are too many of them,
// the oldest goes, for an honest one takes milliseconds.
func (l *listener) admit(raw net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		_ = raw.Close()
		return false
	}
	if len(l.unverified) >= l.o.MaxUnverified {
		_ = l.unverified[0].Close() // its goroutine takes it off the list, if it is still there
		l.unverified = l.unverified[1:]
	}
	l.unverified = append(l.unverified, raw)
	return true
}

func (l *listener) verified(raw net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, nc := range l.unverified {
		if nc == raw {
			l.unverified = append(l.unverified[:i], l.unverified[i+1:]...)
			return
		}
	}
}

func (l *listener) serve(raw net.Conn) {
	c, stream, err := l.welcome(raw)
	l.verified(raw)
	switch {
	case err != nil:
		_ = raw.Close()
		l.o.Logger.Debug("connection not verified", "addr", raw.RemoteAddr().String(), "err", err)
	case stream != nil:
		go stream()
	default:
		c.serve(l.ctx)
	}
}

// welcome finds out what a new connection wants: our protocol, or one of the
// streams.
func (l *listener) welcome(raw net.Conn) (c *conn, stream func(), err error) {
	if err := raw.SetDeadline(time.Now().Add(l.o.DialTimeout)); err != nil {
		return nil, nil, err
	}
	nc := raw
	if l.o.TLS != nil {
		secured := tls.Server(raw, l.o.TLS)
		if err := secured.HandshakeContext(l.ctx); err != nil {
			return nil, nil, fmt.Errorf("TLS: %w", err)
		}
		nc = secured
	}
	var first [1]byte
	if _, err := io.ReadFull(nc, first[:]); err != nil {
		return nil, nil, err
	}
	if first[0] != firstByte {
		take := l.o.Streams[first[0]]
		if take == nil {
			return nil, nil, fmt.Errorf("%w: no protocol begins with byte %#02x", ErrProtocol, first[0])
		}
		if err := raw.SetDeadline(time.Time{}); err != nil {
			return nil, nil, err
		}
		return nil, func() { take(nc) }, nil
	}
	in := newFrameReader(nc)
	in.putBack(first[0])
	identity, err := answerHello(nc, in, &l.o)
	if err != nil {
		return nil, nil, err
	}
	c, err = established(&l.o, nc, raw, in, identity)
	return c, nil, err
}

func newBackOff() *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{
		InitialInterval: 20 * time.Millisecond, MaxInterval: time.Second, Multiplier: 2, RandomizationFactor: 0.3,
	}
}

// pause waits for the next interval, which may be cut short, and the intervals
// begin anew; false if the context ended meanwhile.
func pause(ctx context.Context, wait *backoff.ExponentialBackOff, short <-chan struct{}) bool {
	timer := time.NewTimer(wait.NextBackOff())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-short:
		wait.Reset()
	}
	return true
}
