package transport

import (
	"context"
	"net"
	"time"
)

// Memory is a Network in memory, with faults, for tests. Hosts have names, and
// faults lie between two of them, in one direction. Connections are streams, as
// TCP's are: what a cut holds back arrives when it is healed, unless one side
// has given up meanwhile. Memory itself is the network as a host without name
// sees it.
type Memory struct{ host }

// NewMemory returns an empty network without faults.
func NewMemory() *Memory { return &Memory{} }

type host struct{}

// Listen implements Network.
func (h *host) Listen(addr string, o Options) (Listener, error) { panic("transport: being built") }

// Dial implements Network.
func (h *host) Dial(addr string, o Options) Link { panic("transport: being built") }

// Host returns the network as the named host sees it: what it listens on and
// dials is subject to the faults that name it.
func (m *Memory) Host(name string) Network { panic("transport: being built") }

// DialStream is DialStream from the named host.
func (m *Memory) DialStream(ctx context.Context, from, addr string, kind byte) (net.Conn, error) {
	panic("transport: being built")
}

// Cut holds back all that one host sends to another, from now on; connections
// between them cannot be made.
func (m *Memory) Cut(from, to string) {}

// CutBoth is Cut in both directions.
func (m *Memory) CutBoth(a, b string) {}

// Heal ends every fault between two hosts, in both directions.
func (m *Memory) Heal(a, b string) {}

// HealAll ends every fault.
func (m *Memory) HealAll() {}

// Delay makes what one host sends to another arrive d later.
func (m *Memory) Delay(from, to string, d time.Duration) {}

// Throttle lets at most so many bytes a second through; zero is no bound. It
// is what a slow reader looks like.
func (m *Memory) Throttle(from, to string, bytesPerSecond int) {}

// Drop loses the next write of every connection from one host to another and,
// since it is a stream, breaks the connection there.
func (m *Memory) Drop(from, to string) {}

// Break breaks every connection between two hosts.
func (m *Memory) Break(a, b string) {}
