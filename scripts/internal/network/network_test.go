package network

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// namespaces makes a network, or skips the test where that is not possible.
func namespaces(t *testing.T) *Network {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root makes network namespaces")
	}
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if out, err := exec.Command("ip", "netns", "list").Output(); err != nil || strings.Contains(string(out), fmt.Sprint(prefix, os.Getpid())) {
			t.Errorf("left behind: %s, %v", out, err)
		}
	})
	return n
}

// echo answers lines until the test ends.
func echo(t *testing.T, host string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// The port of this process is the only one that a test can listen at without
// another program; the other end is a shell in a namespace.
func TestLinksAreCutAndDelayed(t *testing.T) {
	n := namespaces(t)
	host, command, err := n.Place("one")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(host, "198.18.") {
		t.Errorf("host %s", host)
	}
	l := echo(t, n.ports[0].addr.String())
	address := l.Addr().(*net.TCPAddr)
	talk := append(command, "bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/%s/%d; for i in 1 2 3; do echo line $i >&3; sleep 0.05; done; cat <&3", address.IP, address.Port))
	shell := exec.Command(talk[0], talk[1:]...)
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer shell.Wait()         //nolint:errcheck // it is killed
	defer shell.Process.Kill() //nolint:errcheck // it may have ended
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	lines := bufio.NewReader(c)
	if line, err := lines.ReadString('\n'); err != nil || line != "line 1\n" {
		t.Fatalf("%q, %v", line, err)
	}
	n.Cut("one", "")
	for { // what was under way may still come
		c.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) //nolint:errcheck // then the test hangs
		if _, err := lines.ReadString('\n'); err != nil {
			break
		}
	}
	n.Heal("one", "")
	n.Delay("one", "", 20*time.Millisecond)
	c.SetReadDeadline(time.Now().Add(20 * time.Second)) //nolint:errcheck // then the test hangs
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("after healing: %v", err)
		}
		if line == "line 3\n" {
			break
		}
	}
	n.HealAll()
}

func TestLeftoversAreRemoved(t *testing.T) {
	n := namespaces(t)
	gone := prefix + "999999999-x"
	if err := ip("netns", "add", gone); err != nil {
		t.Fatal(err)
	}
	if err := removeLeftovers(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ip", "netns", "list").Output(); err != nil || strings.Contains(string(out), gone) {
		t.Errorf("%s, %v", out, err)
	}
	_ = n
}
