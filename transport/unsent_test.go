package transport

import (
	"errors"
	"sync"
	"testing"
	"time"
)

// stall has the peer of a link take nothing until release is called: its handler
// holds a first message, and the writer is in the middle of the next, of which the
// network has a part.
func (p *pair) stall(server Options) (release func()) {
	p.t.Helper()
	blocked := make(chan struct{})
	release = sync.OnceFunc(func() { close(blocked) })
	p.serverSide.onMessage = func(Conn, []byte) { <-blocked }
	p.connect(server, Options{})
	p.t.Cleanup(release) // also if it fails here
	if err := errors.Join(p.link.Send([]byte("hold")), p.link.Send(make([]byte, 15<<20))); err != nil {
		p.t.Fatal(err)
	}
	c := p.clientSide.last().(*conn)
	poll(p.t, "a write that does not end", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.writing && c.queues[Ordinary].writing > 8<<20 && c.queues[Ordinary].bytes == 0
	})
	return release
}

// A call is queued while a large write is under way. Whether the peer may have
// seen it decides what its end means once the connection breaks: ErrDown would
// have a write that was applied sent again as another.
func TestACallBehindALargeWriteThatThePeerSawIsBroken(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		seen := make(chan struct{}, 1)
		p.serverSide.onRequest = func(Conn, []byte, func([]byte)) { seen <- struct{}{} } // and never replies
		release := p.stall(Options{})
		ended := make(chan error, 1)
		p.link.Call([]byte("x"), time.Hour, func(_ []byte, err error) { ended <- err })
		release()
		<-seen
		_ = p.serverSide.last().Close()
		if err := <-ended; !errors.Is(err, ErrBroken) {
			t.Fatalf("the peer has seen it: %v", err)
		}
	})
}

func TestACallBehindALargeWriteThatNeverLeftIsDown(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.stall(Options{})
		ended := make(chan error, 1)
		p.link.Call([]byte("x"), time.Hour, func(_ []byte, err error) { ended <- err })
		_ = p.clientSide.last().(*conn).raw.Close()
		if err := <-ended; !errors.Is(err, ErrDown) {
			t.Fatalf("it was never handed to the network: %v", err)
		}
	})
}
