package client

import (
	"io"
	"net"
	"testing"
	"time"
)

// connected returns both ends of a connection through the system, which takes a
// lot of what is written before the other end reads it.
func connected(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); f.Close() })
	return c.(*net.TCPConn), f.(*net.TCPConn)
}

// A request that the system has taken whole is still on its way: while the
// server's end takes it, nothing is silent, and once that stops, all is.
func TestWhatTheSystemStillSendsIsNoSilence(t *testing.T) {
	t.Parallel()
	near, far := connected(t)
	for _, size := range []struct {
		set  func(int) error
		size int
	}{{near.SetWriteBuffer, mebibyte}, {far.SetReadBuffer, 16 << 10}} {
		if err := size.set(size.size); err != nil {
			t.Fatal(err)
		}
	}
	const limit = time.Second
	ctx, quiet := watchSilence(t.Context(), limit)
	defer quiet.end()
	quiet.use(near)
	if _, err := near.Write(make([]byte, mebibyte)); err != nil {
		t.Fatal(err)
	}
	if queuedBytes(near) < mebibyte/4 {
		t.Skipf("the system holds %d bytes: too few to tell", queuedBytes(near))
	}
	part, ticker := make([]byte, 24<<10), time.NewTicker(limit/16)
	defer ticker.Stop()
	started := time.Now()
	for queuedBytes(near) > 0 {
		if ctx.Err() != nil {
			t.Fatalf("silent with %d bytes on their way, after %v", queuedBytes(near), time.Since(started))
		}
		if _, err := io.ReadAtLeast(far, part, 1); err != nil {
			t.Fatal(err)
		}
		<-ticker.C
	}
	if took := time.Since(started); took < 2*limit {
		t.Fatalf("the system needed only %v: the test shows nothing", took)
	}
	<-ctx.Done() // nothing moves any more
	if err := quiet.explain(nil); err == nil {
		t.Error("the attempt ended without a word of silence")
	}
}
