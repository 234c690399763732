package transport

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMessagesAndRequestsArriveInOrder(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.serverSide.onRequest = func(_ Conn, body []byte, reply func([]byte)) {
			text := "r:" + string(body)
			p.serverSide.note(func() { p.serverSide.events = append(p.serverSide.events, text) })
			reply(body)
		}
		p.connect(Options{}, Options{})
		var want []string
		for i := range 500 {
			body := []byte(fmt.Sprint(i))
			if i%3 == 0 {
				want = append(want, "r:"+string(body))
				p.link.Call(body, time.Minute, func([]byte, error) {})
			} else {
				want = append(want, "m:"+string(body))
				if err := p.link.Send(body); err != nil {
					t.Fatal(err)
				}
			}
			clear(body) // it was copied
		}
		p.serverSide.wait(t, "everything", func() bool { return len(p.serverSide.events) == len(want)+1 })
		if got := p.serverSide.seen()[1:]; !slices.Equal(got, want) {
			t.Fatalf("got %q", got)
		}
	})
}

func TestBothSidesCallAtOnce(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		answer := func(_ Conn, body []byte, reply func([]byte)) {
			held := slices.Clone(body)
			go reply(held)
		}
		p.serverSide.onRequest, p.clientSide.onRequest = answer, answer
		p.connect(Options{}, Options{})
		var wg sync.WaitGroup
		for i := range 8 {
			c := []Conn{p.link, p.serverSide.last()}[i%2]
			wg.Go(func() {
				for j := range 200 {
					body := strings.Repeat(fmt.Sprintf("%d-%d.", i, j), j)
					if got, err := ask(c, body, time.Minute); err != nil || got != body {
						t.Errorf("call %s: %q, %v", body, got, err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestLargeFrames(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.connect(Options{MaxFrame: 4 << 20}, Options{MaxFrame: 4 << 20})
		for _, size := range []int{0, 1, smallest - headerSize, smallest - headerSize + 1, 3_000_000, 4 << 20, 10} {
			body := strings.Repeat("x", size)
			if got, err := ask(p.link, body, time.Minute); err != nil || got != body {
				t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
			}
		}
		tooLarge := strings.Repeat("x", 4<<20+1)
		if _, err := ask(p.link, tooLarge, time.Minute); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("call above the limit: %v", err)
		}
		if err := p.link.Send([]byte(tooLarge)); !errors.Is(err, ErrTooLarge) {
			t.Fatalf("send above the limit: %v", err)
		}
		if _, err := ask(p.link, "still there", time.Minute); err != nil {
			t.Fatal(err)
		}
	})
}

func TestReplyAboveTheLimitIsLost(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.serverSide.onRequest = func(_ Conn, _ []byte, reply func([]byte)) {
			reply(make([]byte, 2000))
			reply(nil) // the second counts for nothing
		}
		p.connect(Options{MaxFrame: 1000}, Options{})
		if _, err := ask(p.link, "x", time.Minute); !errors.Is(err, ErrBroken) {
			t.Fatalf("got %v", err)
		}
	})
}

func TestFrameAboveThePeersLimitBreaksTheConnection(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.connect(Options{MaxFrame: 1000}, Options{})
		if _, err := ask(p.link, strings.Repeat("x", 2000), time.Minute); !errors.Is(err, ErrBroken) {
			t.Fatalf("got %v", err)
		}
		if err := p.serverSide.down(t); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), "2000 bytes, the limit is 1000") {
			t.Fatalf("down for %v", err)
		}
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		held := make(chan func([]byte), 1)
		p.serverSide.onRequest = func(_ Conn, body []byte, reply func([]byte)) {
			if string(body) == "hold" {
				held <- reply
				return
			}
			reply(body)
		}
		p.connect(Options{}, Options{})
		long := make(chan error, 1)
		p.link.Call([]byte("quick"), time.Hour, func(_ []byte, err error) { long <- err })
		start := time.Now()
		if _, err := ask(p.link, "hold", 30*time.Millisecond); !errors.Is(err, ErrTimeout) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(start); took < 30*time.Millisecond || took > 5*time.Second {
			t.Fatalf("timed out after %s", took)
		}
		(<-held)([]byte("late")) // finds nobody, also where the slot is used again
		if got, err := ask(p.link, "next", time.Minute); got != "next" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		if err := <-long; err != nil {
			t.Fatal(err)
		}
	})
}

func TestEveryCallEndsWhenTheConnectionDoes(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		arrived := make(chan struct{}, 100)
		p.serverSide.onRequest = func(_ Conn, _ []byte, reply func([]byte)) {
			arrived <- struct{}{}
			time.AfterFunc(time.Hour, func() { reply(nil) })
		}
		p.connect(Options{}, Options{})
		ended := make(chan error, 200)
		for range 100 {
			p.link.Call([]byte("x"), time.Hour, func(_ []byte, err error) { ended <- err })
		}
		for range 100 {
			<-arrived
		}
		c := p.clientSide.last()
		if err := p.listener.Close(); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			if err := <-ended; !errors.Is(err, ErrBroken) {
				t.Fatalf("got %v", err)
			}
		}
		p.clientSide.waitDowns(t, 1)
		if _, err := ask(c, "x", time.Hour); !errors.Is(err, ErrDown) {
			t.Fatalf("call on a dead connection: %v", err)
		}
		if err := c.Send(nil); !errors.Is(err, ErrDown) {
			t.Fatalf("send on a dead connection: %v", err)
		}
		if len(ended) != 0 {
			t.Fatal("a call ended twice")
		}
	})
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		var got bytes.Buffer
		p.serverSide.onMessage = func(_ Conn, body []byte) { got.Write(body) }
		p.connect(Options{}, Options{})
		last := bytes.Repeat([]byte("release"), 10_000)
		if err := p.link.Send(last); err != nil {
			t.Fatal(err)
		}
		if err := p.link.Close(); err != nil {
			t.Fatal(err)
		}
		p.serverSide.waitDowns(t, 1)
		if !bytes.Equal(got.Bytes(), last) {
			t.Fatalf("got %d bytes of %d", got.Len(), len(last))
		}
		if err := p.clientSide.down(t); !errors.Is(err, ErrClosed) {
			t.Fatalf("down for %v", err)
		}
		if p.link.Connected() || p.link.Identity() != nil || !errors.Is(p.link.Err(), ErrClosed) {
			t.Fatalf("closed link: %v, %v", p.link.Connected(), p.link.Err())
		}
	})
}

func TestReconnects(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.connect(Options{}, Options{})
		for i := range 3 {
			if err := p.serverSide.last().Close(); err != nil {
				t.Fatal(err)
			}
			p.clientSide.waitUps(t, i+2)
			p.serverSide.waitUps(t, i+2)
		}
		want := []string{"up", "down", "up", "down", "up", "down", "up"}
		for _, side := range []*recorder{p.clientSide, p.serverSide} {
			if got := side.seen(); !slices.Equal(got, want) {
				t.Fatalf("got %q", got)
			}
		}
		if got, err := ask(p.link, "x", time.Minute); got != "x" || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

func TestLinkWaitsForItsListener(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, p *pair) {
		p.listen(Options{})
		if err := p.listener.Close(); err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 100)
		p.dial(Options{Failed: func(err error) { failed <- err }})
		if err := <-failed; !strings.Contains(err.Error(), p.addr) {
			t.Fatalf("got %v", err)
		}
		if _, err := ask(p.link, "x", time.Minute); !errors.Is(err, ErrDown) {
			t.Fatalf("got %v", err)
		}
		if p.link.Err() == nil {
			t.Fatal("no reason given")
		}
		p.listen(Options{})
		p.clientSide.waitUps(t, 1)
		if err := p.link.Err(); err != nil {
			t.Fatal(err)
		}
	})
}
