package load

import (
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// conn is one keep-alive connection, with at most one request under way. It is
// owned by one thread.
type conn struct {
	fd     int // -1 while it is not connected
	target string
	out    []byte // what of the request is still to be written
	buf    []byte // its storage
	in     []byte // what has come of the answer
	read   bool   // the request under way is a read
	busy   bool
	sent   time.Time
	retry  time.Time // not connected: when to dial again
}

// dial connects, and takes the socket away from Go's own poller.
func dial(target string, timeout time.Duration) (int, error) {
	c, err := net.DialTimeout("tcp", target, timeout)
	if err != nil {
		return -1, err
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(p uintptr) {
		fd, dupErr = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return -1, err
	}
	if dupErr != nil {
		return -1, dupErr
	}
	return fd, unix.SetNonblock(fd, true)
}

// flush writes what it can.
func (c *conn) flush() error {
	for len(c.out) > 0 {
		n, err := unix.Write(c.fd, c.out)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return nil
		case err != nil:
			return fmt.Errorf("write: %w", err)
		default:
			c.out = c.out[n:]
		}
	}
	return nil
}

// receive reads until the answer is whole or nothing more is there.
func (c *conn) receive() (response, error) {
	for {
		if cap(c.in)-len(c.in) < 2048 {
			c.in = append(make([]byte, 0, 2*cap(c.in)+4096), c.in...)
		}
		n, err := unix.Read(c.fd, c.in[len(c.in):cap(c.in)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return response{}, errIncomplete
		case err != nil:
			return response{}, fmt.Errorf("read: %w", err)
		case n == 0:
			return response{}, errors.New("connection closed")
		}
		c.in = c.in[:len(c.in)+n]
		if !c.busy {
			return response{}, errors.New("an answer to no request")
		}
		// One request is under way, so a whole answer is all there is.
		if r, err := parseResponse(c.in); !errors.Is(err, errIncomplete) {
			return r, err
		}
	}
}

// hangUp closes the connection; it is dialled again after a pause.
func (c *conn) hangUp(now time.Time, pause time.Duration) {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.fd, c.busy, c.retry = -1, false, now.Add(pause)
	c.in, c.out = c.in[:0], nil
}
