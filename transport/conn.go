package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// writeAtOnce bounds one write, so that progress is seen.
	writeAtOnce = 1 << 20
	// worthAWrite is how many bytes are written without waiting a turn for more.
	worthAWrite = 4 << 10
	// requestCost is what a request that is not answered costs beside its body.
	requestCost = 128
	// parting is how long a closing connection may take to write its last.
	parting = 500 * time.Millisecond
)

// conn is one verified connection. Three goroutines serve it: serve's, which
// reads and calls the handler, one that writes, one that watches the time.
type conn struct {
	o        *Options
	nc, raw  net.Conn // raw is below TLS; the same without it
	in       *frameReader
	identity any
	remote   string
	started  time.Time
	gone     func(err error) // if set, told of the end before anybody else

	lastRead, lastWrite atomic.Int64 // since started
	requests            atomic.Int64 // cost of the requests that are not answered
	closed              chan struct{}
	poke                chan struct{} // tells the watcher of an earlier deadline

	mu      sync.Mutex
	work    sync.Cond // for the writer: there is something to write, or an end
	room    sync.Cond // for the reader: less waits to be written, or an end
	queues  [ranks]queue
	writing bool   // a write is under way
	taken   uint64 // all ordinary bytes that the writer ever took
	calls   callTable
	nextRun int64 // when the watcher will look again
	waiting bool  // the writer waits for work
	held    bool  // the reader waits for room
	closing bool  // no more is queued
	dead    error // why the connection is down; set once
}

func newConn(o *Options, nc, raw net.Conn, in *frameReader, identity any) *conn {
	c := &conn{
		o: o, nc: nc, raw: raw, in: in, identity: identity,
		remote: raw.RemoteAddr().String(), started: time.Now(),
		closed: make(chan struct{}), poke: make(chan struct{}, 1), calls: newCallTable(),
	}
	c.work.L, c.room.L = &c.mu, &c.mu
	return c
}

func (c *conn) now() int64 { return int64(time.Since(c.started)) }

// Identity implements Conn.
func (c *conn) Identity() any { return c.identity }

// RemoteAddr implements Conn.
func (c *conn) RemoteAddr() string { return c.remote }

// Close implements Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	first := !c.closing && c.dead == nil
	c.closing = true
	c.work.Signal()
	c.room.Signal()
	c.mu.Unlock()
	if first {
		_ = c.raw.SetDeadline(time.Now().Add(parting)) // fails only where the connection is gone
	}
	return nil
}

// serve runs the connection until it ends, and calls Up and Down. Nothing of it
// is left when serve returns.
func (c *conn) serve(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(c.write)
	wg.Go(c.watch)

	c.o.Handler.Up(c)
	c.fail(c.read())
	wg.Wait()

	c.mu.Lock()
	sent, unsent := c.calls.drain(c.taken)
	err := c.dead
	if c.closing {
		err = ErrClosed
	}
	c.queues = [ranks]queue{}
	c.mu.Unlock()
	err = fmt.Errorf("connection with %s: %w", c.remote, err)
	if c.gone != nil {
		c.gone(err)
	}
	for _, done := range sent {
		done(nil, ErrBroken)
	}
	for _, done := range unsent {
		done(nil, ErrDown)
	}
	c.o.Handler.Down(c, err)
}

// fail ends the connection. Only the first reason counts.
func (c *conn) fail(err error) {
	c.mu.Lock()
	first := c.dead == nil
	if first {
		c.dead = err
		c.work.Signal()
		c.room.Signal()
	}
	c.mu.Unlock()
	if first {
		close(c.closed)
		_ = c.raw.Close() // nothing is to be done about a socket that does not close
	}
}

// read takes frames and hands them on until the connection ends.
func (c *conn) read() error {
	for {
		k, id, body, err := c.in.next()
		if errors.Is(err, io.EOF) {
			return errors.New("closed by the peer")
		}
		if err != nil {
			return err
		}
		switch k {
		case messageFrame:
			c.o.Handler.Message(c, body)
		case requestFrame:
			if !c.request(id, body) {
				return ErrClosed
			}
		case replyFrame:
			c.finish(id, body, nil)
		case busyFrame:
			c.finish(id, nil, ErrBacklog)
		case lostFrame:
			c.finish(id, nil, ErrBroken)
		case pingFrame:
		default:
			return fmt.Errorf("%w: frame of kind %d after the hello", ErrProtocol, k)
		}
	}
}

func (c *conn) finish(id uint64, reply []byte, err error) {
	c.mu.Lock()
	done := c.calls.remove(id)
	c.mu.Unlock()
	if done != nil {
		done(reply, err)
	}
}

// Read is how the frame reader reads: it notes that the peer is not silent.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.nc.Read(b)
	c.lastRead.Store(c.now())
	return n, err
}
