// Package network joins processes on one machine by a network in which links can
// be cut, one way or both, and delayed: each process in a network namespace of
// its own, with a switch in this process between them. It needs root, iproute2
// and /dev/net/tun; nothing of the machine's own network is touched.
package network

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// prefix begins the name of every namespace that is made here.
const prefix = "holdfast-chaos-"

// Network is a switch with a port for each process, and one for this process.
// Its methods may be called from any goroutine.
type Network struct {
	id      int // of this process: part of all names
	running sync.WaitGroup

	mu     sync.Mutex
	ports  []*port
	byAddr map[netip.Addr]*port
	links  map[way]link
	closed bool
}

// way is a direction between two ports.
type way struct{ from, to *port }

// link is what is wrong with a way.
type link struct {
	cut   bool
	delay time.Duration
}

// port is a TUN device in a namespace; the first one's is this process's own.
type port struct {
	name      string
	namespace string // "" for this process's
	addr      netip.Addr
	device    string
	tun       *os.File
}

// New makes a network. What an earlier process left behind, because it was
// killed, is removed first.
func New() (*Network, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("network namespaces: only root can make them")
	}
	if err := removeLeftovers(); err != nil {
		return nil, err
	}
	n := &Network{id: os.Getpid(), byAddr: map[netip.Addr]*port{}, links: map[way]link{}}
	if _, err := n.add("", ""); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// removeLeftovers removes the namespaces of processes that are gone.
func removeLeftovers() error {
	out, err := exec.Command("ip", "netns", "list").CombinedOutput()
	if err != nil {
		return fmt.Errorf("list network namespaces: %w: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest, ours := strings.CutPrefix(name, prefix)
		owner, _, _ := strings.Cut(rest, "-")
		if _, err := os.Stat("/proc/" + owner); ours && errors.Is(err, os.ErrNotExist) {
			if err := ip("netns", "del", name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Place makes a namespace for a process. It returns the host that the others
// reach it at, and what its command line is to begin with.
func (n *Network) Place(name string) (host string, command []string, err error) {
	p, err := n.add(name, fmt.Sprintf("%s%d-%s", prefix, n.id, name))
	if err != nil {
		return "", nil, err
	}
	return p.addr.String(), []string{"ip", "netns", "exec", p.namespace}, nil
}

func (n *Network) add(name, namespace string) (*port, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	number := len(n.ports) + 1
	if number > 250 {
		return nil, errors.New("network: no more than 250 ports")
	}
	p := &port{
		name: name, namespace: namespace, device: fmt.Sprintf("hf%d-%d", n.id%1_000_000, number),
		// One of the ranges set aside for measuring networks (RFC 2544).
		addr: netip.AddrFrom4([4]byte{198, 18, byte(n.id), byte(number)}),
	}
	var err error
	if p.tun, err = openTUN(p.device); err != nil {
		return nil, err
	}
	n.ports = append(n.ports, p)
	in := []string{}
	if namespace != "" {
		in = []string{"-n", namespace}
		if err := errors.Join(ip("netns", "add", namespace), ip("link", "set", p.device, "netns", namespace)); err != nil {
			return nil, err
		}
	}
	for _, step := range [][]string{
		{"addr", "add", p.addr.String() + "/24", "dev", p.device},
		{"link", "set", p.device, "mtu", "16384", "up"},
		{"link", "set", "lo", "up"},
	} {
		if err := ip(append(in, step...)...); err != nil {
			return nil, err
		}
	}
	n.byAddr[p.addr] = p
	n.running.Go(func() { n.forward(p) })
	return p, nil
}

func ip(args ...string) error {
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Close takes the network down. The processes in it must have ended.
func (n *Network) Close() error {
	n.mu.Lock()
	n.closed = true
	ports := n.ports
	n.mu.Unlock()
	var errs []error
	for _, p := range ports {
		errs = append(errs, p.tun.Close())
		if p.namespace != "" {
			errs = append(errs, ip("netns", "del", p.namespace))
		}
	}
	n.running.Wait()
	return errors.Join(errs...)
}
