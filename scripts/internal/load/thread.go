package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// reconnect is the pause after a connection failed.
const reconnect = 50 * time.Millisecond

// thread runs its share of the connections on one operating system thread.
type thread struct {
	*shared
	epoll  int
	conns  []conn
	random *rand.Rand
	key    []byte
	value  []byte
	open   int       // requests under way
	idle   []int     // connections that wait for a request to be due, with a rate
	due    time.Time // when the next request is
	result Result
}

func newThread(s *shared, number int) (*thread, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	t := &thread{shared: s, epoll: epoll, random: rand.New(rand.NewPCG(s.Seed, uint64(number))),
		value: make([]byte, s.ValueSize), result: Result{Errors: map[string]uint64{}}}
	for i := range t.value {
		t.value[i] = 'a' + byte(t.random.IntN(26))
	}
	for i := number; i < s.Connections; i += s.Threads {
		t.conns = append(t.conns, conn{fd: -1, target: s.Targets[i%len(s.Targets)]})
	}
	for i := range t.conns {
		if err := t.connect(i); err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

func (t *thread) close() {
	for i := range t.conns {
		t.conns[i].hangUp(time.Time{}, 0)
	}
	unix.Close(t.epoll)
}

func (t *thread) connect(i int) error {
	fd, err := dial(t.conns[i].target, time.Second)
	if err != nil {
		if fd >= 0 {
			unix.Close(fd)
		}
		return err
	}
	// Edge-triggered: an event is new bytes or new room, never an old one again.
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(i)}
	if err := unix.EpollCtl(t.epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
		unix.Close(fd)
		return fmt.Errorf("epoll: %w", err)
	}
	t.conns[i].fd = fd
	return nil
}

func (t *thread) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer t.close()
	now := time.Now()
	t.due = now
	for i := range t.conns {
		t.next(i, now)
	}
	events := make([]unix.EpollEvent, 256)
	checked := now
	for t.open > 0 || !t.finished() {
		n, err := unix.EpollWait(t.epoll, events, t.wait())
		if err != nil && !errors.Is(err, unix.EINTR) {
			t.result.Errors["epoll: "+err.Error()]++
			return
		}
		for _, e := range events[:max(n, 0)] {
			t.ready(int(e.Fd))
		}
		if now = time.Now(); now.Sub(checked) >= 20*time.Millisecond {
			checked = now
			t.tend(now)
		}
		t.begin(now)
	}
}

// wait is for how long nothing is to be done but to wait for events, in
// milliseconds.
func (t *thread) wait() int {
	if t.Rate == 0 || len(t.idle) == 0 {
		return 20
	}
	return min(20, max(0, int(time.Until(t.due)/time.Millisecond)))
}

// begin begins the requests that are due. One that found no connection idle counts
// from when it was due: what made it late is part of what a client sees.
func (t *thread) begin(now time.Time) {
	for t.Rate > 0 && len(t.idle) > 0 && !t.due.After(now) && !t.finished() {
		i := t.idle[0]
		t.idle = t.idle[1:]
		if t.conns[i].fd < 0 {
			continue // tend connects it again
		}
		t.issue(i, t.due)
		t.due = t.due.Add(time.Duration(float64(time.Second) * float64(t.Threads) / t.Rate))
	}
}

// finished reports whether no further request may begin.
func (t *thread) finished() bool {
	return t.stopped.Load() || t.Count > 0 && t.issued.Load() >= t.Count
}

// ready handles an event of the connection.
func (t *thread) ready(i int) {
	c := &t.conns[i]
	if c.fd < 0 {
		return
	}
	if err := c.flush(); err != nil {
		t.fail(c, err.Error(), time.Now())
		return
	}
	r, err := c.receive()
	if errors.Is(err, errIncomplete) {
		return
	}
	now := time.Now()
	if err != nil {
		t.fail(c, err.Error(), now)
		return
	}
	t.count(c, &r, now)
	c.busy, c.in = false, c.in[:0]
	t.open--
	if r.close {
		c.hangUp(now, 0)
		return
	}
	t.next(i, now)
}

func (t *thread) count(c *conn, r *response, now time.Time) {
	took := now.Sub(c.sent)
	switch {
	case c.read && r.status == 404:
		t.result.Misses++
		t.result.Gets.Record(took)
	case r.status < 200 || r.status > 299:
		t.result.Errors["status "+strconv.Itoa(r.status)]++
	case c.read:
		if !t.Dialect.Found(r.body) {
			t.result.Misses++
		}
		t.result.Gets.Record(took)
	default:
		t.result.Puts.Record(took)
	}
}

// fail counts what went wrong with the request under way, if there is one.
func (t *thread) fail(c *conn, text string, now time.Time) {
	if c.busy {
		t.open--
		if i := strings.LastIndex(text, ": "); i >= 0 {
			text = text[i+2:]
		}
		t.result.Errors[text]++
	}
	c.hangUp(now, reconnect)
}

// next begins the connection's next request, or has it wait until one is due.
func (t *thread) next(i int, now time.Time) {
	if t.Rate > 0 {
		t.idle = append(t.idle, i)
		t.begin(now)
		return
	}
	t.issue(i, now)
}

// issue begins a request, which counts from then.
func (t *thread) issue(i int, then time.Time) {
	if t.stopped.Load() {
		return
	}
	number := t.issued.Add(1)
	if t.Count > 0 && number > t.Count {
		return
	}
	index := uint64(t.random.IntN(t.Keys))
	if t.InOrder {
		index = (number - 1) % uint64(t.Keys)
	}
	c := &t.conns[i]
	t.key = strconv.AppendUint(append(t.key[:0], t.KeyPrefix...), uint64(t.FirstKey)+index, 10)
	c.read = t.Reads > 0 && (t.Reads >= 1 || t.random.Float64() < t.Reads)
	if c.read {
		c.buf = t.Dialect.Get(c.buf[:0], c.target, t.key)
	} else {
		c.buf = t.Dialect.Put(c.buf[:0], c.target, t.key, t.value)
	}
	c.out, c.busy, c.sent = c.buf, true, then
	t.open++
	if err := c.flush(); err != nil {
		t.fail(c, err.Error(), time.Now())
	}
}

// tend ends requests that took too long, and connects again what was cut.
func (t *thread) tend(now time.Time) {
	over := t.finished()
	for i := range t.conns {
		c := &t.conns[i]
		switch {
		case c.busy && now.Sub(c.sent) > t.Timeout:
			t.fail(c, "timeout", now)
		case c.fd < 0 && !over && now.After(c.retry):
			if err := t.connect(i); err != nil {
				c.retry = now.Add(reconnect)
				t.result.Errors["cannot connect"]++
				continue
			}
			t.next(i, time.Now())
		}
	}
}
