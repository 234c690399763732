package coordinator

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// raftStream is the first byte of Raft's connections on the peer port.
const raftStream = 'R'

// streamLayer gives Raft the connections of the peer port that begin with
// raftStream and the group's token. It implements raft.StreamLayer.
type streamLayer struct {
	addr   streamAddr // advertised
	token  uint64
	dial   func(ctx context.Context, addr string, kind byte) (net.Conn, error)
	log    *slog.Logger
	accept chan net.Conn
	closed chan struct{}

	mu struct {
		sync.Mutex
		conns  map[*raftConn]struct{} // all open ones, for Close
		closed bool
	}
}

type streamAddr string

// Network implements net.Addr.
func (a streamAddr) Network() string { return "tcp" }

// String implements net.Addr.
func (a streamAddr) String() string { return string(a) }

func newStreamLayer(addr string, token uint64, dial func(context.Context, string, byte) (net.Conn, error), log *slog.Logger) *streamLayer {
	s := &streamLayer{addr: streamAddr(addr), token: token, dial: dial, log: log,
		accept: make(chan net.Conn), closed: make(chan struct{})}
	s.mu.conns = make(map[*raftConn]struct{})
	return s
}

// incoming takes a connection of the listener, on a goroutine of its own.
func (s *streamLayer) incoming(c net.Conn) {
	tracked, err := s.track(c)
	if err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Now().Add(3 * time.Second))
	var theirs [8]byte
	if _, err := io.ReadFull(c, theirs[:]); err != nil {
		_ = tracked.Close()
		return
	}
	if binary.LittleEndian.Uint64(theirs[:]) != s.token {
		s.log.Warn("raft connection from a member of another group closed", "addr", c.RemoteAddr().String())
		_ = tracked.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	select {
	case s.accept <- tracked:
	case <-s.closed:
		_ = tracked.Close()
	}
}

// Accept implements net.Listener.
func (s *streamLayer) Accept() (net.Conn, error) {
	select {
	case c := <-s.accept:
		return c, nil
	case <-s.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener: the address that the other members are told.
func (s *streamLayer) Addr() net.Addr { return s.addr }

// Dial implements raft.StreamLayer.
func (s *streamLayer) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	c, err := s.dial(ctx, string(address), raftStream)
	if err != nil {
		return nil, err
	}
	_ = c.SetWriteDeadline(time.Now().Add(timeout))
	if _, err := c.Write(binary.LittleEndian.AppendUint64(nil, s.token)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	_ = c.SetWriteDeadline(time.Time{})
	return s.track(c)
}

// Close implements net.Listener. It closes every connection too, so that none
// of Raft's readers outlives it.
func (s *streamLayer) Close() error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil
	}
	s.mu.closed = true
	conns := s.mu.conns
	s.mu.conns = nil
	s.mu.Unlock()
	close(s.closed)
	for c := range conns {
		_ = c.Conn.Close()
	}
	return nil
}

func (s *streamLayer) track(c net.Conn) (net.Conn, error) {
	r := &raftConn{Conn: c, layer: s}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed {
		return nil, errors.Join(errNotRunning, c.Close())
	}
	s.mu.conns[r] = struct{}{}
	return r, nil
}

// raftConn leaves its layer's list when it is closed.
type raftConn struct {
	net.Conn
	layer *streamLayer
}

// Close implements net.Conn.
func (c *raftConn) Close() error {
	c.layer.mu.Lock()
	delete(c.layer.mu.conns, c)
	c.layer.mu.Unlock()
	return c.Conn.Close()
}
