package gateway

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// unwatched is how long a request is handled before its connection is watched
// for the client's going away.
const unwatched = 50 * time.Millisecond

// lazyReads is a connection whose reads cost less than net/http asks for. Each
// request sets the read deadline five times, and has a goroutine read one byte
// while it is handled, only to learn that the client went away: together 5 % of
// the CPU time of a GET. Here a deadline is kept, and given to the system only
// where a read has to wait and what the system has is later; and that one byte
// is read only once the request has taken a while.
//
// If the system's deadline comes before the one that was asked for, the read
// goes on with that.
type lazyReads struct {
	net.Conn
	wake chan struct{} // ends the wait before the byte is read

	mu      sync.Mutex
	want    time.Time // the deadline asked for; zero: none
	set     time.Time // the system's
	reading bool      // a read of the system is under way
	waiting bool      // a read waits for wake
	timer   *time.Timer
}

func newLazyReads(c net.Conn) *lazyReads {
	return &lazyReads{Conn: c, wake: make(chan struct{}, 1)}
}

// Read implements net.Conn. One goroutine reads at a time.
func (c *lazyReads) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(b) == 1 {
		c.wait()
	}
	for {
		if c.expired() {
			return 0, os.ErrDeadlineExceeded
		}
		if err := c.arm(); err != nil {
			return 0, err
		}
		n, err := c.read(b)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || c.expired() {
			return n, err
		}
		c.set = time.Time{} // it has passed, and was not meant: the next one is later
		if err := c.Conn.SetReadDeadline(c.set); err != nil {
			return 0, err
		}
	}
}

func (c *lazyReads) read(b []byte) (int, error) {
	c.reading = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.reading = false
	}()
	return c.Conn.Read(b)
}

// expired reports whether the deadline asked for has passed. Caller holds mu.
func (c *lazyReads) expired() bool { return !c.want.IsZero() && !time.Now().Before(c.want) }

// arm gives the system the deadline, unless it has one that comes earlier.
// Caller holds mu.
func (c *lazyReads) arm() error {
	if c.want.IsZero() || !c.set.IsZero() && !c.want.Before(c.set) {
		return nil
	}
	c.set = c.want
	return c.Conn.SetReadDeadline(c.set)
}

// wait returns when the request has taken a while, or a deadline has passed, or
// the connection is closed. Caller holds mu.
func (c *lazyReads) wait() {
	if c.expired() {
		return
	}
	if c.timer == nil {
		c.timer = time.NewTimer(unwatched)
	} else {
		c.timer.Reset(unwatched)
	}
	c.waiting = true
	c.mu.Unlock()
	select {
	case <-c.wake:
	case <-c.timer.C:
	}
	c.mu.Lock()
	c.waiting = false
	c.timer.Stop()
	select {
	case <-c.wake: // came together with the timer
	default:
	}
}

// SetReadDeadline implements net.Conn.
func (c *lazyReads) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want = t
	if c.reading {
		return c.arm()
	}
	if c.waiting && c.expired() {
		c.stir()
	}
	return nil
}

// stir ends a read's wait. Caller holds mu.
func (c *lazyReads) stir() {
	select {
	case c.wake <- struct{}{}:
	default: // it has been told
	}
}

// SetDeadline implements net.Conn.
func (c *lazyReads) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close implements net.Conn.
func (c *lazyReads) Close() error {
	err := c.Conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting {
		c.stir()
	}
	return err
}

// CloseWrite lets net/http end an answer before it has read the whole request.
func (c *lazyReads) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
