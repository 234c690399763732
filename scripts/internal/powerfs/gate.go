package powerfs

import (
	"sync"
	"syscall"
)

// supply is the state of the power.
type supply int

const (
	on  supply = iota
	cut        // nothing is changed or answered
	off        // everything fails
)

// gate is what every operation passes before it reads or changes anything.
type gate struct {
	mu      sync.RWMutex
	supply  supply
	losses  int           // an operation that waited during a loss must not go on after it
	changed chan struct{} // closed and made anew when supply changes
}

// enter waits while the power is cut. If it returns 0, leave must be called, and
// no loss happens in between.
func (g *gate) enter() (losses int, errno syscall.Errno) {
	g.mu.RLock()
	switch g.supply {
	case on:
		return g.losses, 0
	case cut:
		changed := g.changed
		g.mu.RUnlock()
		<-changed
	default:
		g.mu.RUnlock()
	}
	return 0, syscall.EIO // whoever asked has lost its power
}

// again is enter for the second half of an operation.
func (g *gate) again(losses int) syscall.Errno {
	now, errno := g.enter()
	if errno == 0 && now != losses {
		g.leave()
		return syscall.EIO
	}
	return errno
}

func (g *gate) leave() { g.mu.RUnlock() }

// turn changes the supply once no operation is between enter and leave; do runs
// before any other is.
func (g *gate) turn(to supply, do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if do != nil {
		do()
	}
	if g.supply == to {
		return
	}
	if g.supply = to; to == off {
		g.losses++
	}
	close(g.changed)
	g.changed = make(chan struct{})
}
