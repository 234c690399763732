package network

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Proxies are for where no namespaces can be made: each process is reached by
// the others through a proxy in this process, which finds out who calls, and
// holds back or delays what is sent. What it holds back is not lost: it comes when
// the link is whole again, as from a network that is very slow.
type Proxies struct {
	running sync.WaitGroup

	mu      sync.Mutex
	changed *sync.Cond // a link was changed
	pids    map[string]func() int
	links   map[[2]string]link
	open    map[net.Conn]struct{}
	listens []net.Listener
	closed  bool
	ended   chan struct{}
}

// NewProxies makes an empty set.
func NewProxies() *Proxies {
	p := &Proxies{pids: map[string]func() int{}, links: map[[2]string]link{}, open: map[net.Conn]struct{}{}, ended: make(chan struct{})}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// Know tells the process number of a member, 0 while it does not run.
func (p *Proxies) Know(name string, pid func() int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pids[name] = pid
}

// Through returns an address from which connections go on to a member's.
func (p *Proxies) Through(name, address string) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("proxy for %s: %w", name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listens = append(p.listens, l)
	p.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.running.Go(func() { p.serve(c, name, address) })
		}
	})
	return l.Addr().String(), nil
}

// serve joins a caller to a member.
func (p *Proxies) serve(in net.Conn, to, address string) {
	defer p.drop(in)
	if !p.keep(in) {
		return
	}
	from := p.caller(in.RemoteAddr().(*net.TCPAddr))
	if !p.wait(from, to) { // a connection is not made through a link that is cut
		return
	}
	out, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return
	}
	defer p.drop(out)
	if !p.keep(out) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(out, in, from, to) })
	p.copy(in, out, to, from)
	both.Wait()
}

// keep notes a connection, to be closed with the proxies; false if they are.
func (p *Proxies) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = struct{}{}
	return !p.closed
}

func (p *Proxies) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	c.Close()
}

// piece is what was read, and when it may be written.
type piece struct {
	data []byte
	due  time.Time
}

// copy passes on what one member sends to another, as the link lets it, until
// either side is closed. Then both are.
func (p *Proxies) copy(dst, src net.Conn, from, to string) {
	defer dst.Close()
	defer src.Close()
	pieces := make(chan piece, 1024)
	p.running.Go(func() {
		defer dst.Close()
		defer src.Close()
		broken := false
		for one := range pieces {
			select {
			case <-time.After(time.Until(one.due)):
			case <-p.ended:
			}
			if broken = broken || !p.wait(from, to); broken {
				continue // the reader ends when src is closed
			}
			if _, err := dst.Write(one.data); err != nil {
				broken = true
				src.Close()
			}
		}
	})
	defer close(pieces)
	buffer := make([]byte, 64<<10)
	for {
		n, err := src.Read(buffer)
		if n > 0 {
			pieces <- piece{append([]byte(nil), buffer[:n]...), time.Now().Add(p.delay(from, to))}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxies) delay(from, to string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.links[[2]string{from, to}].delay
}

// wait returns when the link is not cut; false once the proxies are closed.
func (p *Proxies) wait(from, to string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.links[[2]string{from, to}].cut && !p.closed {
		p.changed.Wait()
	}
	return !p.closed
}

// Cut holds back what one process sends to another.
func (p *Proxies) Cut(from, to string) { p.change(from, to, func(l *link) { l.cut = true }) }

// Delay lets everything from one process to another take that much longer.
func (p *Proxies) Delay(from, to string, by time.Duration) {
	p.change(from, to, func(l *link) { l.delay = by })
}

// HealAll makes all links as good as new.
func (p *Proxies) HealAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.links)
	p.changed.Broadcast()
}

func (p *Proxies) change(from, to string, do func(*link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.links[[2]string{from, to}]
	do(&l)
	p.links[[2]string{from, to}] = l
	p.changed.Broadcast()
}

// Close ends all connections.
func (p *Proxies) Close() error {
	p.mu.Lock()
	p.closed = true
	close(p.ended)
	var errs []error
	for _, l := range p.listens {
		errs = append(errs, l.Close())
	}
	for c := range p.open {
		c.Close()
	}
	p.changed.Broadcast()
	p.mu.Unlock()
	p.running.Wait()
	return errors.Join(errs...)
}
