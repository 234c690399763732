package network

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// openTUN makes a TUN device, which goes with its file.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make TUN device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// forward takes the packets that a port sends, until the port is closed.
func (n *Network) forward(p *port) {
	packet := make([]byte, 64<<10)
	for {
		size, err := p.tun.Read(packet)
		if err != nil {
			return
		}
		if size < 20 || packet[0]>>4 != 4 {
			continue // not IPv4
		}
		to, how := n.look(p, netip.AddrFrom4([4]byte(packet[16:20])))
		switch {
		case to == nil || how.cut:
		case how.delay > 0:
			late := append([]byte(nil), packet[:size]...)
			time.AfterFunc(how.delay, func() { n.deliver(p, to, late) })
		default:
			to.tun.Write(packet[:size]) //nolint:errcheck // a packet may get lost
		}
	}
}

func (n *Network) look(from *port, addr netip.Addr) (*port, link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	to := n.byAddr[addr]
	return to, n.links[way{from, to}]
}

// deliver writes a delayed packet, unless its way was cut meanwhile.
func (n *Network) deliver(from, to *port, packet []byte) {
	if _, how := n.look(from, to.addr); !how.cut {
		to.tun.Write(packet) //nolint:errcheck // a packet may get lost, also to a network that was closed
	}
}

// Cut lets nothing through from one process to another.
func (n *Network) Cut(from, to string) { n.change(from, to, func(l *link) { l.cut = true }) }

// Delay lets everything from one process to another take that much longer.
func (n *Network) Delay(from, to string, by time.Duration) {
	n.change(from, to, func(l *link) { l.delay = by })
}

// Heal makes a way as good as new.
func (n *Network) Heal(from, to string) { n.change(from, to, func(l *link) { *l = link{} }) }

// HealAll makes all ways as good as new.
func (n *Network) HealAll() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.links)
}

func (n *Network) change(from, to string, do func(*link)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := way{n.named(from), n.named(to)}
	if w.from == nil || w.to == nil {
		panic(fmt.Sprintf("network: no way from %q to %q", from, to)) // a mistake in the program
	}
	l := n.links[w]
	do(&l)
	n.links[w] = l
}

// named finds a port; "" is this process. Caller holds mu.
func (n *Network) named(name string) *port {
	for _, p := range n.ports {
		if p.name == name {
			return p
		}
	}
	return nil
}
