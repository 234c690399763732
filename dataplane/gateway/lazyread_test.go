package gateway

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// countingConn counts what is asked of the system.
type countingConn struct {
	net.Conn
	reads, deadlines atomic.Int64
}

func (c *countingConn) Read(b []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(b)
}

func (c *countingConn) SetReadDeadline(t time.Time) error {
	c.deadlines.Add(1)
	return c.Conn.SetReadDeadline(t)
}

func lazyPair(t *testing.T) (c *lazyReads, system *countingConn, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	system = &countingConn{Conn: served}
	c = newLazyReads(system)
	t.Cleanup(func() { c.Close(); client.Close() })
	return c, system, client
}

// inBackground reads n bytes at most, and gives the error.
func inBackground(c net.Conn, n int) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, n))
		done <- err
	}()
	return done
}

var past = time.Unix(1, 0)

func TestByteOfAQuickRequestIsNotRead(t *testing.T) {
	t.Parallel()
	c, system, _ := lazyPair(t)
	for range 10 {
		done := inBackground(c, 1)
		if err := c.SetReadDeadline(past); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if err := <-done; !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Fatalf("a read that is called off: %v", err)
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	// A wait that took longer than planned reads, and only then sets a deadline.
	if reads, deadlines := system.reads.Load(), system.deadlines.Load(); deadlines > 2*reads {
		t.Errorf("%d reads and %d deadlines were asked of the system", reads, deadlines)
	}
}

func TestClientThatGoesAwayIsSeen(t *testing.T) {
	t.Parallel()
	c, _, client := lazyPair(t)
	done := inBackground(c, 1)
	client.Close()
	if err := <-done; err == nil {
		t.Error("a read of what is closed succeeded")
	}
}

func TestDeadlineHolds(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(c *lazyReads){
		"set before": func(*lazyReads) {},
		"sooner while reading": func(c *lazyReads) {
			c.SetReadDeadline(time.Now().Add(time.Millisecond))
		},
		"past while reading": func(c *lazyReads) { c.SetReadDeadline(past) },
		"later while reading": func(c *lazyReads) {
			c.SetReadDeadline(time.Now().Add(80 * time.Millisecond))
		},
		"with the other one": func(c *lazyReads) { c.SetDeadline(past) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, _ := lazyPair(t)
			c.SetReadDeadline(time.Now().Add(40 * time.Millisecond))
			done := inBackground(c, 100)
			change(c)
			err := <-done
			c.mu.Lock()
			defer c.mu.Unlock()
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Now().Before(c.want) {
				t.Errorf("%v before %v of time", err, time.Until(c.want))
			}
		})
	}
}

func TestDeadlineThatWasPutOffDoesNotEndAReadOrTheNext(t *testing.T) {
	t.Parallel()
	c, system, client := lazyPair(t)
	c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	done := inBackground(c, 100)
	for system.deadlines.Load() == 0 {
		select {
		case err := <-done:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
	c.SetReadDeadline(time.Time{})
	for system.reads.Load() < 2 { // the first was ended by the deadline before
		select {
		case err := <-done:
			t.Fatalf("a read without a deadline: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestCloseEndsAWait(t *testing.T) {
	t.Parallel()
	c, _, _ := lazyPair(t)
	done := inBackground(c, 1)
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}
