package transport

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// window is how many bytes a flow holds before its writer must wait.
const window = 256 << 10

// flow is one direction of a connection of a Memory; Memory.mu guards it.
type flow struct {
	memory   *Memory
	route    route
	cond     sync.Cond
	chunks   []chunk
	size     int
	last     time.Time // when the last chunk arrives
	ended    bool      // the writer has written its end
	deaf     bool      // the reader has closed
	dropNext bool
	err      error // the connection is broken
	readBy   deadline
	writeBy  deadline
	alarm    *time.Timer // wakes the reader when the first chunk arrives
}

// chunk is what one write carried, or the end of the stream.
type chunk struct {
	at   time.Time
	data []byte
	end  bool
}

// deadline is a time by which a read or write must end.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// pipe makes a connection. Caller holds mu.
func (m *Memory) pipe(from, to string, listener memoryAddr) (dialled, accepted *memoryConn) {
	there := &flow{memory: m, route: route{from, to}}
	back := &flow{memory: m, route: route{to, from}}
	for _, f := range []*flow{there, back} {
		f.cond.L = &m.mu
		m.flows[f] = struct{}{}
	}
	m.lastPort++
	local := memoryAddr(fmt.Sprintf("%s:%d", from, m.lastPort))
	return &memoryConn{in: back, out: there, local: local, remote: listener},
		&memoryConn{in: there, out: back, local: listener, remote: local}
}

// fail breaks the flow. Caller holds mu.
func (f *flow) fail(err error) {
	if f.err == nil {
		f.err = err
	}
	f.chunks, f.size = nil, 0
	f.cond.Broadcast()
}

// push sends data, or the end, on its way. Caller holds mu.
func (f *flow) push(data []byte, end bool) {
	fault := f.memory.faults[f.route]
	at := time.Now().Add(fault.delay)
	if at.Before(f.last) {
		at = f.last
	}
	if fault.rate > 0 {
		at = at.Add(time.Duration(len(data)) * time.Second / time.Duration(fault.rate))
	}
	f.last = at
	f.chunks = append(f.chunks, chunk{at: at, data: append([]byte(nil), data...), end: end})
	f.size += len(data)
	f.cond.Broadcast()
}

// arrived reports whether the first chunk may be read now; if it is only late,
// the reader is woken in time. Caller holds mu.
func (f *flow) arrived() bool {
	if len(f.chunks) == 0 || f.memory.faults[f.route].cut {
		return false
	}
	wait := time.Until(f.chunks[0].at)
	if wait <= 0 {
		return true
	}
	if f.alarm != nil {
		f.alarm.Stop()
	}
	f.alarm = time.AfterFunc(wait, f.wake)
	return false
}

func (f *flow) wake() {
	f.memory.mu.Lock()
	defer f.memory.mu.Unlock()
	f.cond.Broadcast()
}

// memoryConn is one end of a connection of a Memory.
type memoryConn struct {
	in, out       *flow
	local, remote memoryAddr
	closed        bool
}

// Read implements net.Conn.
func (c *memoryConn) Read(b []byte) (int, error) {
	f := c.in
	f.memory.mu.Lock()
	defer f.memory.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case f.err != nil:
			return 0, f.err
		case f.readBy.passed():
			return 0, os.ErrDeadlineExceeded
		case !f.arrived():
			f.cond.Wait()
			continue
		case f.chunks[0].end:
			return 0, io.EOF
		}
		first := &f.chunks[0]
		n := copy(b, first.data)
		first.data = first.data[n:]
		f.size -= n
		if len(first.data) == 0 {
			f.chunks = f.chunks[1:]
		}
		f.cond.Broadcast()
		return n, nil
	}
}

// Write implements net.Conn.
func (c *memoryConn) Write(b []byte) (written int, err error) {
	f := c.out
	f.memory.mu.Lock()
	defer f.memory.mu.Unlock()
	for written < len(b) {
		switch {
		case c.closed || f.ended:
			return written, net.ErrClosed
		case f.err != nil:
			return written, f.err
		case f.writeBy.passed():
			return written, os.ErrDeadlineExceeded
		case f.deaf && !f.memory.faults[c.in.route].cut:
			return written, syscall.EPIPE
		case f.dropNext:
			f.fail(syscall.ECONNRESET)
			c.in.fail(syscall.ECONNRESET)
			return len(b), nil
		case f.size >= window:
			f.cond.Wait()
			continue
		}
		n := min(len(b)-written, window-f.size)
		f.push(b[written:written+n], false)
		written += n
	}
	return written, nil
}

// Close implements net.Conn.
func (c *memoryConn) Close() error {
	m := c.in.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed = true
	c.end()
	c.in.deaf = true
	c.in.cond.Broadcast()
	if c.out.deaf {
		delete(m.flows, c.in)
		delete(m.flows, c.out)
	}
	if c.in.alarm != nil {
		c.in.alarm.Stop()
	}
	c.in.readBy.set(time.Time{}, c.in)
	c.out.writeBy.set(time.Time{}, c.out)
	return nil
}

// CloseWrite ends the stream that is written, as a TCP connection's does.
func (c *memoryConn) CloseWrite() error {
	m := c.in.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.end()
	return nil
}

func (c *memoryConn) end() {
	if !c.out.ended && c.out.err == nil {
		c.out.ended = true
		c.out.push(nil, true)
	}
}

// LocalAddr implements net.Conn.
func (c *memoryConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *memoryConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *memoryConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *memoryConn) SetReadDeadline(t time.Time) error {
	c.in.memory.mu.Lock()
	defer c.in.memory.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.in.readBy.set(t, c.in)
	return nil
}

// SetWriteDeadline implements net.Conn.
func (c *memoryConn) SetWriteDeadline(t time.Time) error {
	c.in.memory.mu.Lock()
	defer c.in.memory.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.out.writeBy.set(t, c.out)
	return nil
}

// set changes the deadline and wakes who waits when it passes. Caller holds mu.
func (d *deadline) set(t time.Time, f *flow) {
	if d.timer != nil {
		d.timer.Stop()
	}
	*d = deadline{at: t}
	if !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), f.wake)
	}
	f.cond.Broadcast()
}
