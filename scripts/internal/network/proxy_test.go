package network

import (
	"bufio"
	"net"
	"os"
	"testing"
	"time"
)

func TestProxiesCutAndDelay(t *testing.T) {
	t.Parallel()
	p := NewProxies()
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	p.Know("one", os.Getpid)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	through, err := p.Through("two", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", through)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	in, out := bufio.NewReader(served), bufio.NewReader(c)
	say := func(to net.Conn, from *bufio.Reader, text string) {
		t.Helper()
		if _, err := to.Write([]byte(text + "\n")); err != nil {
			t.Fatal(err)
		}
		if line, err := from.ReadString('\n'); err != nil || line != text+"\n" {
			t.Fatalf("%q, %v; want %q", line, err, text)
		}
	}
	say(c, in, "there")
	say(served, out, "and back")

	p.Cut("one", "two")
	say(served, out, "the other way")
	if _, err := c.Write([]byte("held back\n")); err != nil {
		t.Fatal(err)
	}
	served.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) //nolint:errcheck // then the test hangs
	if line, err := in.ReadString('\n'); err == nil {
		t.Fatalf("%q came through a link that is cut", line)
	}
	served.SetReadDeadline(time.Time{}) //nolint:errcheck // it was set before
	p.HealAll()
	if line, err := in.ReadString('\n'); err != nil || line != "held back\n" {
		t.Fatalf("after healing: %q, %v", line, err)
	}

	const by = 30 * time.Millisecond
	p.Delay("one", "two", by)
	began := time.Now()
	say(c, in, "late")
	if took := time.Since(began); took < by {
		t.Errorf("a delayed link took %v", took)
	}
	// Somebody who is not known is harmed by nothing.
	if got := p.caller(l.Addr().(*net.TCPAddr)); got != "one" {
		t.Errorf("who listens is %q", got)
	}
	if got := p.caller(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}); got != "" {
		t.Errorf("who has port 1 is %q", got)
	}
}
