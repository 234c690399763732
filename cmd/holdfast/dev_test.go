package main

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// screen tells when a text has been printed.
type screen struct {
	mu    sync.Mutex
	text  bytes.Buffer
	until string
	shown chan struct{}
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(b)
	if s.until != "" && strings.Contains(s.text.String(), s.until) {
		s.until = ""
		close(s.shown)
	}
	return len(b), nil
}

// freePorts returns the first of some ports in a row that nothing listens on, below
// those that systems hand out for outgoing connections.
func freePorts(t *testing.T) (first int) {
	t.Helper()
	for range 200 {
		first = 10000 + rand.IntN(20000)
		free := true
		for port := first; port < first+20 && free; port++ {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if free = err == nil; free {
				l.Close()
			}
		}
		if free {
			return first
		}
	}
	t.Fatal("no 20 free ports in a row")
	return 0
}

// A whole cluster with one node runs in this process, keeps its data in its
// directory, and ends cleanly.
func TestDevClusterOfOneNodeComesBackWithItsData(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dev")
	c := &devCommand{Nodes: 1, DataDir: dir, Port: freePorts(t)}
	start := func() (server string, end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		out := &screen{until: "Ctrl-C ends it.", shown: make(chan struct{})}
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx, &terminal{out: out, err: &bytes.Buffer{}}) }()
		select {
		case <-out.shown:
		case err := <-ended:
			t.Fatalf("the cluster ended: %v", err)
		}
		url := regexp.MustCompile(`n1 +(http://\S+)`).FindStringSubmatch(out.text.String())
		return url[1], func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("the cluster did not end cleanly: %v", err)
			}
		}
	}
	server, end := start()
	if code, _, errOut := execute(t, "", "put", "k", "kept", "--server", server); code != 0 {
		t.Errorf("put: %d %s", code, errOut)
	}
	if code, out, _ := execute(t, "", "status", "--server", server); code != 0 {
		t.Errorf("status: %d %s", code, out)
	}
	end()
	server, end = start()
	if code, out, errOut := execute(t, "", "get", "k", "--server", server); code != 0 || out != "kept" {
		t.Errorf("get: %d %q %s", code, out, errOut)
	}
	end()
	c.Nodes = 2
	if err := c.Run(t.Context(), &terminal{out: &bytes.Buffer{}}); codeOf(err) != exitUsage {
		t.Errorf("another number of nodes: %v", err)
	}
}

// A signal that comes while the cluster starts ends it too.
func TestDevEndsWhileItStarts(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	c := &devCommand{Nodes: 3, Port: freePorts(t)}
	if err := c.Run(ctx, &terminal{out: &bytes.Buffer{}, err: &bytes.Buffer{}}); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
