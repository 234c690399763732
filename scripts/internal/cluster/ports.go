package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
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
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		l, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		l.Close()
		ports.given[port] = true
		out = append(out, address)
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d", n, firstPort, lastPort)
}
