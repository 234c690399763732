package transport

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Memory is a Network in memory, with faults, for tests. Hosts have names, and
// faults lie between two of them, in one direction. Connections are streams, as
// TCP's are: what a cut holds back arrives when it is healed, unless one side
// has given up meanwhile. Memory itself is the network as a host without name
// sees it.
type Memory struct {
	memoryHost

	mu        sync.Mutex
	changed   sync.Cond // faults or listeners changed, or a dial was given up
	lastPort  int
	listeners map[string]*memoryListener
	faults    map[route]fault
	flows     map[*flow]struct{} // of all connections that are open
}

// route is one direction between two hosts.
type route struct{ from, to string }

// fault is what is wrong with a route.
type fault struct {
	cut   bool
	delay time.Duration
	rate  int // bytes a second; zero is no bound
}

// NewMemory returns an empty network without faults.
func NewMemory() *Memory {
	m := &Memory{
		listeners: map[string]*memoryListener{}, faults: map[route]fault{}, flows: map[*flow]struct{}{},
	}
	m.changed.L = &m.mu
	m.memoryHost.memory = m
	return m
}

// memoryHost is the network as one host sees it.
type memoryHost struct {
	memory *Memory
	name   string
}

// Host returns the network as the named host sees it: what it listens on and
// dials is subject to the faults that name it. Its addresses have any form; port
// 0 becomes a free one.
func (m *Memory) Host(name string) Network { return &memoryHost{memory: m, name: name} }

// Listen implements Network. A listener of the host without name belongs to the
// host that its address names.
func (h *memoryHost) Listen(addr string, o Options) (Listener, error) {
	nl, err := h.memory.listen(h.name, addr)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", addr, err)
	}
	return listen(nl, o), nil
}

// Dial implements Network.
func (h *memoryHost) Dial(addr string, o Options) Link { return newLink(addr, o, h.dial) }

func (h *memoryHost) dial(ctx context.Context, addr string) (net.Conn, error) {
	return h.memory.dial(ctx, h.name, addr)
}

// DialStream is DialStream from the named host, without TLS.
func (m *Memory) DialStream(ctx context.Context, from, addr string, kind byte) (net.Conn, error) {
	raw, err := m.dial(ctx, from, addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", addr, err)
	}
	return openStream(ctx, raw, addr, kind, nil)
}

func (m *Memory) listen(owner, addr string) (*memoryListener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = owner
	}
	if owner == "" {
		owner = name
	}
	if port == "0" {
		m.lastPort++
		port = strconv.Itoa(m.lastPort)
	}
	addr = net.JoinHostPort(name, port)
	if m.listeners[addr] != nil {
		return nil, syscall.EADDRINUSE
	}
	l := &memoryListener{memory: m, owner: owner, addr: memoryAddr(addr)}
	l.ready.L = &m.mu
	m.listeners[addr] = l
	m.changed.Broadcast()
	return l, nil
}

// dial connects a host to an address, as soon as no cut is in the way.
func (m *Memory) dial(ctx context.Context, from, addr string) (net.Conn, error) {
	stop := context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.changed.Broadcast()
	})
	defer stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		l := m.listeners[addr]
		if l == nil {
			return nil, syscall.ECONNREFUSED
		}
		if m.faults[route{from, l.owner}].cut || m.faults[route{l.owner, from}].cut {
			m.changed.Wait()
			continue
		}
		ours, theirs := m.pipe(from, l.owner, l.addr)
		l.queue = append(l.queue, theirs)
		l.ready.Signal()
		return ours, nil
	}
}

// memoryListener is a net.Listener of a Memory; memory.mu guards it.
type memoryListener struct {
	memory *Memory
	owner  string
	addr   memoryAddr
	ready  sync.Cond
	queue  []net.Conn
	closed bool
}

// Accept implements net.Listener.
func (l *memoryListener) Accept() (net.Conn, error) {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	for len(l.queue) == 0 && !l.closed {
		l.ready.Wait()
	}
	if l.closed {
		return nil, net.ErrClosed
	}
	nc := l.queue[0]
	l.queue = l.queue[1:]
	return nc, nil
}

// Close implements net.Listener.
func (l *memoryListener) Close() error {
	l.memory.mu.Lock()
	if l.closed {
		l.memory.mu.Unlock()
		return net.ErrClosed
	}
	l.closed = true
	delete(l.memory.listeners, string(l.addr))
	l.ready.Broadcast()
	l.memory.changed.Broadcast()
	queue := l.queue
	l.queue = nil
	l.memory.mu.Unlock()
	for _, nc := range queue {
		_ = nc.Close() // never fails
	}
	return nil
}

// Addr implements net.Listener.
func (l *memoryListener) Addr() net.Addr { return l.addr }

// memoryAddr is an address of a Memory.
type memoryAddr string

// Network implements net.Addr.
func (memoryAddr) Network() string { return "memory" }

// String implements net.Addr.
func (a memoryAddr) String() string { return string(a) }
