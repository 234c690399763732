package transport

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// Each rank has a bound of its own: what a peer does not take of one neither grows
// without end nor keeps the others from being queued.
func TestEveryRankIsBounded(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		blocked := make(chan struct{})
		p.serverSide.onMessage = func(Conn, []byte) { <-blocked }
		p.connect(Options{}, Options{SendBuffer: 100_000})
		t.Cleanup(func() { close(blocked) }) // before what connect registered
		body := make([]byte, 10_000)
		for rank := range ranks {
			if err := p.link.SendAs(rank, body); err != nil {
				t.Fatalf("rank %d, of which nothing waits: %v", rank, err)
			}
			sent := 0
			poll(t, "messages to be refused", func() bool {
				for {
					err := p.link.SendAs(rank, body)
					if errors.Is(err, ErrBacklog) {
						return true
					}
					if sent++; err != nil || sent > 10_000 {
						t.Fatalf("rank %d has no bound: after %d messages %v", rank, sent, err)
					}
				}
			})
		}
	})
}

// What was answered makes room for more.
func TestAnAnsweredRequestCountsNoMore(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.connect(Options{RequestBuffer: 3 * (requestCost + 1000)}, Options{})
		for n := range 20 {
			if _, err := ask(p.link, string(make([]byte, 1000)), time.Minute); err != nil {
				t.Fatalf("request %d, each was answered: %v", n, err)
			}
		}
	})
}

// Requests that were taken while there was room may all be answered at once, when
// the peer takes nothing any more. Beyond twice the bound only word of it waits.
func TestRepliesThatAreReadyAtOnceAreBounded(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		const asked, size, buffer = 200, 100_000, 300_000
		replies := make(chan func([]byte), asked)
		p.serverSide.onRequest = func(_ Conn, _ []byte, reply func([]byte)) { replies <- reply }
		blocked := make(chan struct{})
		release := sync.OnceFunc(func() { close(blocked) })
		p.clientSide.onMessage = func(Conn, []byte) { <-blocked }
		p.connect(Options{SendBuffer: buffer}, Options{})
		t.Cleanup(release) // also if it fails here
		ended := make(chan error, asked)
		for range asked {
			p.link.Call([]byte("x"), time.Minute, func(_ []byte, err error) { ended <- err })
		}
		server := p.serverSide.last().(*conn)
		if err := server.Send([]byte("hold")); err != nil {
			t.Fatal(err)
		}
		var ready []func([]byte)
		for range asked { // all of them: none is taken once replies wait
			ready = append(ready, <-replies)
		}
		for _, reply := range ready {
			reply(make([]byte, size))
			server.mu.Lock()
			waits := server.backlog()
			server.mu.Unlock()
			if waits > 2*buffer+size+asked*2*headerSize {
				t.Fatalf("%d bytes of replies wait", waits)
			}
		}
		release()
		whole := 0
		for range asked {
			switch err := <-ended; {
			case err == nil:
				whole++
			case !errors.Is(err, ErrBroken):
				t.Fatal(err)
			}
		}
		if whole == 0 || whole == asked {
			t.Errorf("%d of %d replies came whole", whole, asked)
		}
	})
}
