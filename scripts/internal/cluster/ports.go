package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
)

// The range lies below what systems hand out for outgoing connections, so that
// a port is still free when its process comes back.
const (
	firstPort = 10000
	lastPort  = 31999
)

var ports struct {
	sync.Mutex
	given map[int]bool
}

// FreeAddresses returns n loopback addresses that nothing listens on, and that
// it has not returned before.
func FreeAddresses(n int) ([]string, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = map[int]bool{}
	}
	var out []string
	for range 2000 {
		if len(out) == n {
			return out, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if ports.given[port] {
			continue
		}
		if !free(port) {
			continue
		}
		ports.given[port] = true
		out = append(out, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d", n, firstPort, lastPort)
}

// free reports whether nothing is bound to a loopback port. A child that is forked
// while the probe is open would keep the port until it executes its program, so
// none is.
func free(port int) bool {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return false
	}
	defer func() { _ = syscall.Close(fd) }()
	// As net.Listen does: a connection of the past is in nobody's way.
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return false
	}
	return syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}) == nil
}
