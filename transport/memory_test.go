package transport

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func inMemory(t *testing.T) (*Memory, *pair) {
	t.Helper()
	m := NewMemory()
	return m, &pair{
		t: t, serverSide: newRecorder(), clientSide: newRecorder(), addr: "server:0",
		server: m.Host("server"), client: m.Host("client"),
	}
}

func TestDropLosesAFrameAndBreaksTheConnection(t *testing.T) {
	t.Parallel()
	m, p := inMemory(t)
	p.connect(Options{}, Options{})
	m.Drop("client", "server")
	if _, err := ask(p.link, "lost", time.Minute); !errors.Is(err, ErrBroken) {
		t.Fatalf("got %v", err)
	}
	if err := p.clientSide.down(t); !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("down for %v", err)
	}
	p.clientSide.waitUps(t, 2)
	p.serverSide.waitUps(t, 2)
	for _, e := range p.serverSide.seen() {
		if e != "up" && e != "down" {
			t.Fatalf("the frame came: %q", e)
		}
	}
	if _, err := ask(p.link, "x", time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestBreakReachesOnlyTheTwoHosts(t *testing.T) {
	t.Parallel()
	m, p := inMemory(t)
	p.connect(Options{}, Options{})
	other := newRecorder()
	link := m.Host("other").Dial(p.addr, Options{Handler: other})
	defer func() { _ = link.Close() }()
	other.waitUps(t, 1)
	m.Break("server", "client")
	p.clientSide.waitDowns(t, 1)
	p.clientSide.waitUps(t, 2)
	if got, err := ask(link, "x", time.Minute); got != "x" || err != nil || len(other.seen()) != 1 {
		t.Fatalf("got %q, %v, %q", got, err, other.seen())
	}
}

func TestCutHoldsBackUntilItIsHealed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := inMemory(t)
		p.connect(Options{}, Options{})
		m.Cut("client", "server")
		if err := p.link.Send([]byte("held")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if got := p.serverSide.seen(); len(got) != 1 {
			t.Fatalf("through the cut: %q", got)
		}
		m.Heal("server", "client")
		p.serverSide.wait(t, "the message", func() bool { return count(p.serverSide.events, "m:held") == 1 })
		_ = p.link.Close()
		_ = p.listener.Close()
	})
}

func TestCloseDoesNotWaitForADeadPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := inMemory(t)
		p.connect(Options{}, Options{})
		m.CutBoth("client", "server")
		if err := p.link.Send(make([]byte, 2*window)); err != nil { // the writer is stuck in it
			t.Fatal(err)
		}
		for _, c := range []interface{ Close() error }{p.link, p.listener} {
			start := time.Now()
			if err := c.Close(); err != nil || time.Since(start) > parting {
				t.Fatalf("after %s: %v", time.Since(start), err)
			}
		}
		if err := p.clientSide.down(t); !errors.Is(err, ErrClosed) {
			t.Fatalf("down for %v", err)
		}
	})
}

func TestNoConnectionIsMadeThroughACut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, p := inMemory(t)
		m.Cut("server", "client")
		p.listen(Options{})
		failed := make(chan error, 100)
		p.dial(Options{Failed: func(err error) { failed <- err }})
		start := time.Now()
		<-failed
		if took := time.Since(start); took != 3*time.Second {
			t.Fatalf("gave up after %s", took)
		}
		m.HealAll()
		p.clientSide.waitUps(t, 1)
		_ = p.link.Close()
		_ = p.listener.Close()
	})
}

func TestCallsThatWereNeverSentAreDown(t *testing.T) {
	t.Parallel()
	m, p := inMemory(t)
	p.connect(Options{}, Options{})
	m.Cut("client", "server")
	ended := make(chan error, 2)
	done := func(_ []byte, err error) { ended <- err }
	p.link.Call(make([]byte, 2*window), time.Hour, done) // more than goes into the pipe
	c := p.clientSide.last().(*conn)
	poll(t, "the writer to take it", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.writing
	})
	p.link.Call([]byte("never sent"), time.Hour, done)
	m.Break("client", "server")
	if err := <-ended; !errors.Is(err, ErrBroken) {
		t.Fatalf("the first: %v", err)
	}
	if err := <-ended; !errors.Is(err, ErrDown) {
		t.Fatalf("the second: %v", err)
	}
}

func TestAddressesInMemory(t *testing.T) {
	t.Parallel()
	m := NewMemory()
	a, err := m.Listen("n1:7071", Options{})
	if err != nil || a.Addr() != "n1:7071" {
		t.Fatal(a, err)
	}
	if _, err := m.Host("n1").Listen("n1:7071", Options{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("got %v", err)
	}
	b, err := m.Host("n2").Listen(":0", Options{})
	if err != nil || b.Addr() != "n2:1" {
		t.Fatal(b.Addr(), err)
	}
	if _, err := m.Listen("nonsense", Options{}); err == nil {
		t.Fatal("no error")
	}
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
}
