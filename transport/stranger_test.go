package transport

import (
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// claim is the beginning of a hello of which the header names a size.
func claim(size int) []byte {
	frame := appendFrame([]byte(preamble), helloFrame, 0, nil)
	binary.LittleEndian.PutUint32(frame[len(preamble)+4:], uint32(size))
	return frame
}

// A peer that is not verified is given memory for a hello, and no more: a frame
// that claims to be larger ends the connection before any of it is read.
func TestAStrangersFrameIsBounded(t *testing.T) {
	t.Parallel()
	p := &pair{t: t, serverSide: newRecorder(), server: TCP(), client: TCP(), addr: "127.0.0.1:0"}
	p.listen(Options{DialTimeout: time.Hour})
	nc := open(t, p.addr)
	if _, err := nc.Write(claim(maxHello + 1)); err != nil {
		t.Fatal(err)
	}
	expectClosed(t, nc)

	// The dialling side meets strangers too.
	stranger, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Close() })
	go func() {
		for {
			nc, err := stranger.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Write(claim(maxHello + 1)) // and waits for the other to close
			_, _ = nc.Read(make([]byte, 1<<10))
			defer nc.Close()
		}
	}()
	failed := make(chan error, 100)
	link := TCP().Dial(stranger.Addr().String(), Options{DialTimeout: time.Hour, Failed: func(err error) { failed <- err }})
	t.Cleanup(func() { _ = link.Close() })
	select {
	case err := <-failed:
		if !strings.Contains(err.Error(), "the limit is 65536") {
			t.Errorf("given up for %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a claim of more than a hello is waited for")
	}
}

// Strangers push out other strangers, never a connection that was verified.
func TestAVerifiedConnectionOutlivesStrangers(t *testing.T) {
	t.Parallel()
	p := &pair{t: t, serverSide: newRecorder(), clientSide: newRecorder(), server: TCP(), client: TCP(), addr: "127.0.0.1:0"}
	p.connect(Options{DialTimeout: time.Hour, MaxUnverified: 4}, Options{})
	var strangers []net.Conn
	for range 10 {
		strangers = append(strangers, open(t, p.addr))
	}
	for _, nc := range strangers[:6] {
		expectClosed(t, nc)
	}
	if _, err := ask(p.link, "x", time.Minute); err != nil || len(p.clientSide.seen()) != 1 {
		t.Errorf("%v after %q", err, p.clientSide.seen())
	}
}

// The time limit of the hello is over with it: another protocol on the port may
// be silent for as long as it likes.
func TestAStreamHasNoDeadlineOfOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewMemory()
		got := make(chan byte, 1)
		l, err := m.Host("server").Listen("server:0", Options{Streams: map[byte]func(net.Conn){'R': func(nc net.Conn) {
			defer nc.Close()
			var b [1]byte
			if _, err := nc.Read(b[:]); err != nil {
				t.Errorf("read: %v", err)
			}
			got <- b[0]
		}}})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := m.DialStream(t.Context(), "client", l.Addr(), 'R')
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		if _, err := nc.Write([]byte{7}); err != nil {
			t.Errorf("write: %v", err)
		}
		if b := <-got; b != 7 {
			t.Errorf("got %d", b)
		}
		_ = nc.Close()
		_ = l.Close()
	})
}
