package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// link is a server at the end of a link of so many bytes a second, each way, all
// in memory: in a bubble of synctest its transfers take no real time.
type link struct {
	handler http.HandlerFunc
	rate    int // bytes a second
	conns   chan net.Conn
	closed  chan struct{}
}

func (l *link) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// stall keeps a request until the client or the test ends.
func (l *link) stall(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-l.closed:
	}
}

func (l *link) Close() error   { return nil }
func (l *link) Addr() net.Addr { return &net.TCPAddr{} }

// slow is one end of a link's connection.
type slow struct {
	net.Conn
	rate int
}

// pass lets time pass in the bubble.
func pass(d time.Duration) { <-time.NewTimer(d).C }

func (s *slow) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		part := b[:min(len(b), max(1, s.rate/64))]
		pass(time.Duration(len(part)) * time.Second / time.Duration(s.rate))
		m, err := s.Conn.Write(part)
		n += m
		if err != nil {
			return n, err
		}
		b = b[m:]
	}
	return n, nil
}

// linked makes a client of servers behind links; it serves within the bubble.
func linked(t *testing.T, links ...*link) *Client {
	t.Helper()
	t.Cleanup(func() { pass(time.Hour) }) // what is still on a link ends
	var servers []string
	byAddress := map[string]*link{}
	for i, l := range links {
		l.conns, l.closed = make(chan net.Conn), make(chan struct{})
		address := fmt.Sprintf("n%d:1", i+1)
		servers, byAddress[address] = append(servers, address), l
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Holdfast-Node", fmt.Sprintf("n%d", i+1))
			l.handler(w, r)
		})}
		go server.Serve(l) //nolint:errcheck // ends with the link
		t.Cleanup(func() { close(l.closed); server.Close() })
	}
	c, err := New(Config{Servers: servers})
	if err != nil {
		t.Fatal(err)
	}
	c.transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		l := byAddress[address]
		near, far := net.Pipe()
		select {
		case l.conns <- &slow{far, l.rate}:
			return &slow{near, l.rate}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	t.Cleanup(c.Close)
	return c
}

const mebibyte = 1 << 20

// keep stores one value, as a node does.
type keep struct{ value []byte }

func (k *keep) handle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("ETag", `"0000002a-7"`)
	if r.Method != http.MethodPut {
		w.Write(k.value) //nolint:errcheck // the client tells
		return
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	k.value = b
	w.WriteHeader(http.StatusCreated)
}

// The time that a transfer takes is no silence: as many servers as there are, a
// large value goes up and down a slow link in one attempt.
func TestALargeValueOverASlowLinkIsNoSilence(t *testing.T) {
	t.Parallel()
	for _, servers := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			var k keep
			var links []*link
			for range servers {
				links = append(links, &link{handler: k.handle, rate: mebibyte})
			}
			c := linked(t, links...)
			value := bytes.Repeat([]byte("holdfast"), mebibyte) // 8 MiB take 8 s of the 10 that there are
			w, err := c.Put(t.Context(), "k", value)
			if err != nil || w.Way.Attempts != 1 || w.Way.Took < 8*time.Second {
				t.Fatalf("put at %d servers: %+v, %v", servers, w, err)
			}
			v, err := c.Get(t.Context(), "k")
			if err != nil || v.Way.Attempts != 1 || v.Way.Took < 8*time.Second || !bytes.Equal(v.Data, value) {
				t.Fatalf("get at %d servers: %v", servers, err)
			}
		})
	}
}

// A server that stops, before, during or after the transfer, is left for another
// once nothing has moved for a while.
func TestAServerThatStopsIsLeft(t *testing.T) {
	t.Parallel()
	const size = 4 * mebibyte                                                     // in a second
	discard := func(r *http.Request, n int64) { io.CopyN(io.Discard, r.Body, n) } //nolint:errcheck // the client tells
	for name, test := range map[string]struct {
		size     int
		transfer time.Duration // until it stops
		stop     func(w http.ResponseWriter, r *http.Request)
	}{
		"at once":     {10, 0, func(http.ResponseWriter, *http.Request) {}},
		"before":      {size, 0, func(http.ResponseWriter, *http.Request) {}},
		"in the body": {size, time.Second / 4, func(_ http.ResponseWriter, r *http.Request) { discard(r, size/4) }},
		"after it":    {size, time.Second, func(_ http.ResponseWriter, r *http.Request) { discard(r, size) }},
		"in the answer": {size, time.Second, func(w http.ResponseWriter, r *http.Request) {
			discard(r, size)
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusInternalServerError)
			w.(http.Flusher).Flush()
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			var k keep
			var left time.Duration
			stopped := &link{rate: size}
			stopped.handler = func(w http.ResponseWriter, r *http.Request) {
				test.stop(w, r)
				stopped.stall(r)
			}
			c := linked(t, stopped, &link{rate: size, handler: func(w http.ResponseWriter, r *http.Request) {
				left = time.Since(start)
				k.handle(w, r)
			}})
			w, err := c.Put(t.Context(), "k", make([]byte, test.size))
			if err != nil || w.Way.Attempts != 2 || len(k.value) != test.size {
				t.Fatalf("stopped %s: %+v, %v", name, w, err)
			}
			if want := test.transfer + patience; left < want-patience/8 || left > want+patience/2 {
				t.Errorf("stopped %s: left after %v, want %v", name, left, want)
			}
		})
	}
}

// Where there is one server, it is waited for as long as it was asked to wait
// itself, and no longer: the connection may lead nowhere.
func TestASilentServerIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var requests atomic.Int32
		var k keep
		l := &link{rate: mebibyte}
		l.handler = func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 1 {
				l.stall(r)
				return
			}
			k.handle(w, r)
		}
		c := linked(t, l)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w, err := c.Put(ctx, "k", nil)
		if err != nil || w.Way.Attempts != 2 || w.Way.Took < longestWait || w.Way.Took > longestWait+2*beyondWait {
			t.Errorf("%+v, %v", w, err)
		}
	})
}

// A silence that ended an attempt is no end of the caller's context.
func TestASilenceIsNoContextsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := &link{rate: mebibyte}
		silent.handler = func(_ http.ResponseWriter, r *http.Request) { silent.stall(r) }
		refuses := &link{rate: mebibyte, handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPreconditionFailed)
			io.WriteString(w, `{"code":"precondition-failed"}`) //nolint:errcheck // the client tells
		}}
		_, err := linked(t, silent, refuses).Put(t.Context(), "k", nil, IfAbsent())
		if !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

// remembering is a node that applies what has a key that it does not remember,
// as all do, by a clock that runs at the given rate to the client's.
type remembering struct {
	rate    float64
	begun   time.Time
	kept    map[string]float64 // minutes
	value   string
	applied int
}

func (n *remembering) put(r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	at := time.Since(n.begun).Minutes() * n.rate
	key := r.Header.Get("Idempotency-Key")
	if since, ok := n.kept[key]; ok && at-since <= 10 {
		return
	}
	n.kept[key], n.value = at, string(b)
	n.applied++
}

// A write whose first attempt was applied, though its answer was lost, is not
// sent again once the servers may have forgotten its key: by then somebody else
// may have written.
func TestAWriteIsNotSentOnceItsKeyMayBeForgotten(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		away   time.Duration // for how long the server then breaks every connection
		slowly bool          // it then takes the body slowly
		want   error
	}{
		{name: "back in time", away: 5 * time.Minute},
		{name: "back when our clock says that there is time", away: 8*time.Minute + 30*time.Second, want: ErrOutcomeUnknown},
		{name: "back too late", away: 11 * time.Minute, want: ErrOutcomeUnknown},
		{name: "back in time, but slow", away: 5 * time.Minute, slowly: true, want: ErrOutcomeUnknown},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := &remembering{rate: 1.1 / 0.9, begun: time.Now(), kept: map[string]float64{}}
			var requests int
			l := &link{rate: mebibyte, handler: func(w http.ResponseWriter, r *http.Request) {
				requests++
				at := time.Since(n.begun)
				switch {
				case requests == 1:
					n.put(r)
					panic(http.ErrAbortHandler)
				case at < test.away:
					panic(http.ErrAbortHandler)
				}
				n.put(r)
				w.Header().Set("ETag", `"0000002a-7"`)
			}}
			value := []byte("v")
			if test.slowly {
				l.rate = 512 // a byte moves all the time
				value = bytes.Repeat(value, 5*60*l.rate)
			}
			c := linked(t, l)
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			_, err := c.Put(ctx, "k", value)
			if !errors.Is(err, test.want) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %.300v, want %v", test.name, err, test.want)
			}
			n.value = "somebody else's"
			pass(time.Hour) // nothing of it comes later
			if n.applied != 1 || n.value != "somebody else's" {
				t.Errorf("%s: applied %d times, the value is %.20q", test.name, n.applied, n.value)
			}
			if requests < 2 {
				t.Errorf("%s: sent %d times", test.name, requests)
			}
		})
	}
}

// A write that certainly was never applied may go out at any time.
func TestAWriteThatNeverArrivedIsSentForAsLongAsTheCallerWants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var k keep
		c := linked(t, &link{rate: mebibyte, handler: func(w http.ResponseWriter, r *http.Request) {
			if time.Since(begun) < 20*time.Minute {
				w.WriteHeader(http.StatusServiceUnavailable)
				io.WriteString(w, `{"code":"unavailable"}`) //nolint:errcheck // the client tells
				return
			}
			k.handle(w, r)
		}})
		dial := c.transport.DialContext
		c.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			if time.Since(begun) < 10*time.Minute {
				return nil, errors.New("connection refused")
			}
			return dial(ctx, network, address)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w, err := c.Put(ctx, "k", []byte("v"))
		if err != nil || w.Way.Took < 20*time.Minute || string(k.value) != "v" {
			t.Errorf("%+v, %v", w, err)
		}
	})
}
