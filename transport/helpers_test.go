package transport

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a Handler that keeps what happened; requests are echoed unless
// onRequest is set.
type recorder struct {
	mu        sync.Mutex
	events    []string // "up", "down", and messages as "m:…"
	conn      Conn     // of the last Up
	downs     []error
	changed   chan struct{}
	onMessage func(c Conn, body []byte)
	onRequest func(c Conn, body []byte, reply func([]byte))
}

func newRecorder() *recorder { return &recorder{changed: make(chan struct{}, 1)} }

func (r *recorder) note(change func()) {
	r.mu.Lock()
	change()
	r.mu.Unlock()
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

func (r *recorder) Up(c Conn) {
	r.note(func() { r.conn, r.events = c, append(r.events, "up") })
}

func (r *recorder) Down(_ Conn, err error) {
	r.note(func() { r.downs, r.events = append(r.downs, err), append(r.events, "down") })
}

func (r *recorder) Message(c Conn, body []byte) {
	if r.onMessage != nil {
		r.onMessage(c, body)
		return
	}
	text := "m:" + string(body)
	r.note(func() { r.events = append(r.events, text) })
}

func (r *recorder) Request(c Conn, body []byte, reply func([]byte)) {
	if r.onRequest != nil {
		r.onRequest(c, body, reply)
		return
	}
	reply(body)
}

// wait waits until the condition, which is called under the lock, holds.
func (r *recorder) wait(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		r.mu.Lock()
		ok := condition()
		events := append([]string(nil), r.events[max(0, len(r.events)-10):]...)
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-r.changed:
		case <-deadline:
			t.Fatalf("waited for %s in vain; last events: %q", what, events)
		}
	}
}

func (r *recorder) waitUps(t testing.TB, n int) {
	t.Helper()
	r.wait(t, "connection", func() bool { return count(r.events, "up") >= n })
}

func (r *recorder) waitDowns(t testing.TB, n int) {
	t.Helper()
	r.wait(t, "end of connection", func() bool { return len(r.downs) >= n })
}

// poll waits for what nobody announces.
func poll(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 30_000 {
		if condition() {
			return
		}
		<-tick.C
	}
	t.Fatalf("waited for %s in vain", what)
}

// seen returns the events so far.
func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.events...)
}

// last returns the connection of the last Up.
func (r *recorder) last() Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn
}

// down returns the reason of the first Down, once there is one.
func (r *recorder) down(t testing.TB) error {
	t.Helper()
	r.waitDowns(t, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.downs[0]
}

func count(list []string, what string) (n int) {
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

// networks are those that every test of behaviour runs on.
var networks = []struct {
	name string
	make func() (server, client Network, addr string)
}{
	{"tcp", func() (Network, Network, string) { return TCP(), TCP(), "127.0.0.1:0" }},
	{"memory", func() (Network, Network, string) {
		m := NewMemory()
		return m.Host("server"), m.Host("client"), "server:0"
	}},
}

// eachNetwork runs a test on every network.
func eachNetwork(t *testing.T, test func(t *testing.T, p *pair)) {
	t.Helper()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder()}
			p.server, p.client, p.addr = n.make()
			test(t, p)
		})
	}
}

// pair is a listener and a link to it.
type pair struct {
	t                      testing.TB
	server, client         Network
	addr                   string
	listener               Listener
	link                   Link
	serverSide, clientSide *recorder
}

func (p *pair) listen(o Options) {
	p.t.Helper()
	if o.Handler == nil {
		o.Handler = p.serverSide
	}
	l, err := p.server.Listen(p.addr, o)
	if err != nil {
		p.t.Fatal(err)
	}
	p.listener, p.addr = l, l.Addr()
	p.t.Cleanup(func() { _ = l.Close() })
}

func (p *pair) dial(o Options) {
	p.t.Helper()
	if o.Handler == nil {
		o.Handler = p.clientSide
	}
	p.link = p.client.Dial(p.addr, o)
	p.t.Cleanup(func() { _ = p.link.Close() })
}

// connect does both, and waits until they are connected.
func (p *pair) connect(server, client Options) {
	p.t.Helper()
	p.listen(server)
	p.dial(client)
	p.clientSide.waitUps(p.t, 1)
	p.serverSide.waitUps(p.t, 1)
}

// ask makes a call and waits for its end.
func ask(c Conn, body string, timeout time.Duration) (string, error) {
	type result struct {
		reply string
		err   error
	}
	done := make(chan result, 2)
	c.Call([]byte(body), timeout, func(reply []byte, err error) { done <- result{string(reply), err} })
	r := <-done
	return r.reply, r.err
}
