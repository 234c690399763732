package transport

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSlowPeerGetsABacklogNotMemory(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		blocked := make(chan struct{})
		var got, sent atomic.Int64
		p.serverSide.onMessage = func(Conn, []byte) { <-blocked; got.Add(1) }
		p.connect(Options{}, Options{SendBuffer: 100_000})
		release := sync.OnceFunc(func() { close(blocked) })
		t.Cleanup(release) // also if it fails here
		body := make([]byte, 10_000)
		callRefused := make(chan error, 1)
		poll(t, "send and call to be refused", func() bool {
			for {
				err := p.link.Send(body)
				if errors.Is(err, ErrBacklog) {
					break
				}
				if err != nil || sent.Add(1) > 10_000 {
					t.Fatalf("no bound after %d: %v", sent.Load(), err)
				}
			}
			p.link.Call(body, time.Minute, func(_ []byte, err error) {
				select {
				case callRefused <- err: // the answers to those that got through come later
				default:
				}
			})
			return len(callRefused) == 1
		})
		if err := <-callRefused; !errors.Is(err, ErrBacklog) {
			t.Fatalf("call: %v", err)
		}
		c := p.clientSide.last().(*conn)
		c.mu.Lock()
		q := &c.queues[Ordinary]
		held := 0
		for _, b := range append(append(append([][]byte(nil), q.chunks...), q.taken...), q.spare...) {
			held += cap(b)
		}
		c.mu.Unlock()
		if held > 1_000_000 {
			t.Fatalf("%d bytes held", held)
		}
		release()
		for {
			if _, err := ask(p.link, "after it", time.Minute); err == nil {
				break
			} else if !errors.Is(err, ErrBacklog) {
				t.Fatal(err)
			}
		}
		if got.Load() != sent.Load() {
			t.Fatalf("sent %d, got %d", sent.Load(), got.Load())
		}
	})
}

func TestOneMessageAlwaysFitsIntoAnEmptyBuffer(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.connect(Options{SendBuffer: 1000}, Options{SendBuffer: 1000})
		if _, err := ask(p.link, string(make([]byte, 100_000)), time.Minute); err != nil {
			t.Fatal(err)
		}
	})
}

// A peer that asks and does not read the answers is not read any more.
func TestRepliesThatNobodyReadsStopTheReading(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		const asked = 500
		var handled atomic.Int64
		p.serverSide.onRequest = func(_ Conn, _ []byte, reply func([]byte)) {
			handled.Add(1)
			reply(make([]byte, 100_000))
		}
		p.connect(Options{SendBuffer: 200_000}, Options{})
		blocked := make(chan struct{})
		release := sync.OnceFunc(func() { close(blocked) })
		t.Cleanup(release) // also if it fails here
		ended := make(chan error, asked)
		for range asked {
			p.link.Call([]byte("x"), time.Minute, func(_ []byte, err error) { <-blocked; ended <- err })
		}
		server := p.serverSide.last().(*conn)
		poll(t, "the server to wait for room", func() bool {
			server.mu.Lock()
			defer server.mu.Unlock()
			if server.backlog() > 500_000 {
				t.Fatalf("%d bytes wait to be written", server.backlog())
			}
			return server.held
		})
		if n := handled.Load(); n == asked {
			t.Fatal("it handled everything")
		}
		release()
		for range asked {
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestRequestsBeyondTheBoundAreTurnedAway(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		replies := make(chan func([]byte), 100)
		p.serverSide.onRequest = func(_ Conn, _ []byte, reply func([]byte)) { replies <- reply }
		p.connect(Options{RequestBuffer: 10 * (requestCost + 1000)}, Options{})
		ended := make(chan error, 100)
		for range 15 {
			p.link.Call(make([]byte, 1000), time.Minute, func(_ []byte, err error) { ended <- err })
		}
		for range 5 {
			if err := <-ended; !errors.Is(err, ErrBacklog) {
				t.Fatalf("got %v", err)
			}
		}
		for range 10 {
			(<-replies)(nil)
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The rest runs in memory, on a clock of its own.

func TestSilentPeerIsGivenUpByBothSides(t *testing.T) {
	t.Parallel()
	for _, cut := range []struct {
		name             string
		toClient, toHost bool
	}{{"both ways", true, true}, {"to the client", true, false}, {"to the server", false, true}} {
		t.Run(cut.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), addr: "server:0"}
				m := NewMemory()
				p.server, p.client = m.Host("server"), m.Host("client")
				p.connect(Options{}, Options{})

				// idle, but alive
				time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock
				if len(p.serverSide.seen())+len(p.clientSide.seen()) != 2 {
					t.Fatalf("%q %q", p.serverSide.seen(), p.clientSide.seen())
				}
				if cut.toClient {
					m.Cut("server", "client")
				}
				if cut.toHost {
					m.Cut("client", "server")
				}
				result := make(chan error, 1)
				p.link.Call([]byte("x"), time.Hour, func(_ []byte, err error) { result <- err })
				time.Sleep(11 * time.Second) //nolint:forbidigo // the bubble's clock
				synctest.Wait()
				if err := <-result; !errors.Is(err, ErrBroken) {
					t.Fatalf("call: %v", err)
				}
				if len(p.clientSide.seen()) != 2 {
					t.Fatalf("client: %q", p.clientSide.seen())
				}
				if cut.toHost && len(p.serverSide.seen()) != 2 {
					t.Fatalf("server: %q", p.serverSide.seen())
				}
				m.HealAll()
				p.clientSide.waitUps(t, 2)
				p.serverSide.waitUps(t, 2)
				_ = p.link.Close()
				_ = p.listener.Close()
			})
		})
	}
}

func TestPeerThatTakesNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), addr: "server:0"}
		m := NewMemory()
		p.server, p.client = m.Host("server"), m.Host("client")
		p.connect(Options{}, Options{})
		m.Throttle("client", "server", 1) // it answers our silence, and takes nothing
		if err := p.link.Send(make([]byte, 4*window)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := p.clientSide.down(t)
		if !errors.Is(err, ErrIdle) || time.Since(start) > 11*time.Second {
			t.Fatalf("after %s: %v", time.Since(start), err)
		}
		_ = p.link.Close()
		_ = p.listener.Close()
	})
}

func TestDelayIsNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), addr: "server:0"}
		m := NewMemory()
		p.server, p.client = m.Host("server"), m.Host("client")
		m.Delay("client", "server", 300*time.Millisecond)
		m.Delay("server", "client", 200*time.Millisecond)
		p.connect(Options{}, Options{})
		start := time.Now()
		if _, err := ask(p.link, "x", time.Second); err != nil || time.Since(start) != 500*time.Millisecond {
			t.Fatalf("after %s: %v", time.Since(start), err)
		}
		if _, err := ask(p.link, "x", 499*time.Millisecond); !errors.Is(err, ErrTimeout) {
			t.Fatalf("got %v", err)
		}
		_ = p.link.Close()
		_ = p.listener.Close()
	})
}

// A message ranked higher goes ahead of what was queued before it, and the
// messages of each rank keep their order.
func TestRanksGoAhead(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		const large, count = 1 << 20, 20
		blocked := make(chan struct{})
		release := sync.OnceFunc(func() { close(blocked) })
		t.Cleanup(release) // also if it fails here
		got := make(chan [2]byte, 3*count)
		p.serverSide.onMessage = func(_ Conn, body []byte) { <-blocked; got <- [2]byte{body[0], body[1]} }
		p.connect(Options{}, Options{})
		for rank := range ranks {
			body := make([]byte, 100)
			if rank != First {
				body = make([]byte, large)
			}
			for n := range count {
				body[0], body[1] = byte(rank), byte(n)
				if err := p.link.SendAs(rank, body); err != nil {
					t.Fatal(err)
				}
			}
		}
		release()
		var next, before [ranks]byte // of each rank; ordinary ones that came before its last
		for range 3 * count {
			m := <-got
			if m[1] != next[m[0]] {
				t.Fatalf("rank %d: message %d, want %d", m[0], m[1], next[m[0]])
			}
			next[m[0]]++
			before[m[0]] = next[Ordinary]
		}
		// What sockets hold had left already.
		if before[First] > count/2 || before[Ahead] == count && before[First] == count {
			t.Errorf("%d and %d of %d ordinary messages came before the last of those ranked higher", before[Ahead], before[First], count)
		}
	})
}

// What is taken is in order, whole, and bounded; what was written is used again.
func TestQueue(t *testing.T) {
	t.Parallel()
	var q queue
	sizes := []int{100, chunkBytes - 200, 50, 3 * chunkBytes, 100, 100_000, 100_000, 100_000}
	want := 0
	for i, size := range sizes {
		q.add(messageFrame, uint64(i), make([]byte, size))
		want += headerSize + size
	}
	if q.backlog() != want {
		t.Fatalf("%d bytes wait, want %d", q.backlog(), want)
	}
	next := uint64(0)
	for q.backlog() > 0 {
		batch := q.take(nil, 2*chunkBytes)
		var all []byte
		for _, b := range batch {
			all = append(all, b...)
		}
		if q.writing != len(all) || len(all) > 2*chunkBytes && len(batch) > 1 {
			t.Fatalf("%d bytes in %d buffers, %d counted", len(all), len(batch), q.writing)
		}
		in := &frameReader{r: bytes.NewReader(all), max: 16 << 20}
		for range len(sizes) {
			_, id, body, err := in.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil || id != next || len(body) != sizes[id] {
				t.Fatalf("frame %d of %d bytes, %v; want frame %d", id, len(body), err, next)
			}
			next++
		}
		q.written()
	}
	if next != uint64(len(sizes)) || len(q.spare) != 2 || len(q.chunks)+len(q.taken) != 0 {
		t.Fatalf("%d frames came, %d buffers are spare", next, len(q.spare))
	}
}
