package client

import (
	"sync"

	"github.com/holdfast-io/holdfast/coordinator/protocol"
	"github.com/holdfast-io/holdfast/partition"
)

// mapQueue tells of new maps: waiters at once, and the delivering goroutine.
type mapQueue struct {
	wake chan struct{} // has one element where a map waits to be delivered
	mu   struct {
		sync.Mutex
		next  chan struct{} // closed with the next map, or the next refusal
		again bool          // the hooks are to look at the map that they have seen
	}
}

func (q *mapQueue) init() {
	q.wake = make(chan struct{}, 1)
	q.mu.next = make(chan struct{})
}

// changed is closed when a map follows the one that is current after this call.
func (q *mapQueue) changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.next
}

// tell wakes everybody who waits.
func (q *mapQueue) tell() {
	q.mu.Lock()
	close(q.mu.next)
	q.mu.next = make(chan struct{})
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// again has the delivering goroutine look at the map again, for a new hook.
func (q *mapQueue) again() {
	q.mu.Lock()
	q.mu.again = true
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *mapQueue) takeAgain() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	again := q.mu.again
	q.mu.again = false
	return again
}

// publish makes a map current. Only the goroutine of the connection followed
// calls it, or another after the stream has moved there.
func (c *Client) publish(m *partition.Map) {
	c.look(m)
	v := viewOf(m, c.current.Load())
	c.current.Store(v)
	c.leading.take(v)
	if c.role == protocol.RoleFollower {
		c.refused.Store(nil)
	}
	c.maps.tell()
}

// deliver gives each new map to OnMap and to the hooks, in order.
func (c *Client) deliver() {
	var last *partition.Map
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.maps.wake:
		}
		m := c.Map()
		fresh, again := m != last && m.Version > 0, c.maps.takeAgain()
		if fresh && c.config.OnMap != nil {
			c.config.OnMap(m)
		}
		if fresh {
			s := m.Stamp()
			c.acted.Store(&s)
			last = m
		}
		if fresh || again {
			c.hooks.take(m)
			c.lifecycle.take(m, c.healthIn(m))
		}
	}
}
