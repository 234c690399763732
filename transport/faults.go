package transport

import (
	"syscall"
	"time"
)

// Cut holds back all that one host sends to another, from now on; connections
// between them cannot be made.
func (m *Memory) Cut(from, to string) {
	m.change(from, to, func(f *fault) { f.cut = true })
}

// CutBoth is Cut in both directions.
func (m *Memory) CutBoth(a, b string) {
	m.Cut(a, b)
	m.Cut(b, a)
}

// Heal ends every fault between two hosts, in both directions.
func (m *Memory) Heal(a, b string) {
	m.change(a, b, func(f *fault) { *f = fault{} })
	m.change(b, a, func(f *fault) { *f = fault{} })
}

// HealAll ends every fault.
func (m *Memory) HealAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.faults)
	m.wakeAll()
}

// Delay makes what one host sends to another arrive d later.
func (m *Memory) Delay(from, to string, d time.Duration) {
	m.change(from, to, func(f *fault) { f.delay = d })
}

// Throttle lets at most so many bytes a second through; zero is no bound. It
// is what a slow reader looks like.
func (m *Memory) Throttle(from, to string, bytesPerSecond int) {
	m.change(from, to, func(f *fault) { f.rate = bytesPerSecond })
}

// Drop loses the next write of every connection from one host to another and,
// since it is a stream, breaks the connection there.
func (m *Memory) Drop(from, to string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for f := range m.flows {
		if f.route == (route{from, to}) {
			f.dropNext = true
		}
	}
}

// Break breaks every connection between two hosts.
func (m *Memory) Break(a, b string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for f := range m.flows {
		if f.route == (route{a, b}) || f.route == (route{b, a}) {
			f.fail(syscall.ECONNRESET)
		}
	}
}

func (m *Memory) change(from, to string, how func(f *fault)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := route{from, to}
	f := m.faults[r]
	how(&f)
	m.faults[r] = f
	m.wakeAll()
}

// wakeAll lets everybody look at the faults again. Caller holds mu.
func (m *Memory) wakeAll() {
	m.changed.Broadcast()
	for f := range m.flows {
		f.cond.Broadcast()
	}
}
