package transport

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// memoryPair is a pair in memory, for a test on a clock of its own.
func memoryPair(t *testing.T) (*pair, *Memory) {
	m := NewMemory()
	p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), addr: "server:0"}
	p.server, p.client = m.Host("server"), m.Host("client")
	return p, m
}

// A peer that takes a large reply slowly, for longer than anybody may be silent,
// keeps its connection: that nothing of it is read meanwhile is our own doing.
func TestASlowDrainIsNoSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, m := memoryPair(t)
		p.serverSide.onRequest = func(_ Conn, _ []byte, reply func([]byte)) { reply(make([]byte, 8<<20)) }
		p.connect(Options{SendBuffer: 100_000}, Options{})
		m.Throttle("server", "client", 200_000)
		start := time.Now()
		ended := make(chan error, 2)
		for range 2 { // the second is not handled before the first has its reply
			p.link.Call([]byte("x"), time.Hour, func(_ []byte, err error) { ended <- err })
		}
		for range 2 {
			if err := <-ended; err != nil {
				t.Errorf("after %v: %v", time.Since(start), err)
			}
		}
		if took := time.Since(start); took < 60*time.Second {
			t.Errorf("the drain took %v only", took)
		}
		_ = p.link.Close()
		_ = p.listener.Close()
	})
}

// A peer that accepts a connection and then fails is tried as one that does not
// accept: once a second in the end.
func TestAPeerThatAcceptsAndFailsIsNotPestered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := memoryPair(t)
		var ups atomic.Int64
		p.listen(Options{Handler: failing{p.serverSide, &ups}})
		p.dial(Options{})
		<-time.After(time.Minute)
		before := ups.Load()
		<-time.After(20 * time.Second)
		if n := ups.Load() - before; n < 10 || n > 40 {
			t.Errorf("%d connections in 20 s", n)
		}
		_ = p.link.Close()
		_ = p.listener.Close()
	})
}

// failing is a Handler that ends every connection at once.
type failing struct {
	*recorder
	ups *atomic.Int64
}

func (f failing) Up(c Conn) {
	f.ups.Add(1)
	_ = c.Close() // the peer is to see that
}

// The end of a call comes at its time, whenever the connection is looked at next.
func TestACallEndsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, _ := memoryPair(t)
		p.serverSide.onRequest = func(Conn, []byte, func([]byte)) {}
		p.connect(Options{}, Options{})
		for _, timeout := range []time.Duration{time.Second, 100 * time.Millisecond, 10 * time.Millisecond} {
			<-time.After(time.Minute)
			start := time.Now()
			if _, err := ask(p.link, "x", timeout); err == nil || time.Since(start) > timeout+2*coarse {
				t.Errorf("after %v: %v, want the end after %v", time.Since(start), err, timeout)
			}
		}
		_ = p.link.Close()
		_ = p.listener.Close()
	})
}
