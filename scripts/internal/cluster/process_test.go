package cluster

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func script(t *testing.T, text string) *Process {
	t.Helper()
	p := &Process{Name: "p", Args: []string{"bash", "-c", text}, Log: filepath.Join(t.TempDir(), "log")}
	t.Cleanup(func() { p.End(time.Second) })
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProcessIsKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	p := script(t, "echo started; read -r < <(:) ; while :; do read -r -t 60 <> <(:); done")
	if p.PID() == 0 || !p.Running() || p.Start() == nil {
		t.Fatal("a running process has a number, and starts only once")
	}
	if err := p.Pause(); err != nil || !p.Paused() {
		t.Fatalf("pause: %v", err)
	}
	if err := p.Kill(); err != nil || p.Running() || p.PID() != 0 || p.Paused() {
		t.Fatalf("kill: %v", err)
	}
	if p.Kill() == nil || p.Pause() == nil {
		t.Error("a process that is gone cannot be harmed")
	}
	if err := p.Start(); err != nil || !p.Running() {
		t.Fatalf("second start: %v", err)
	}
}

func TestTerminateTellsHowTheProcessEnded(t *testing.T) {
	t.Parallel()
	ready := func(p *Process) {
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for !strings.Contains(p.LogTail(5), "ready") {
			if !p.Running() {
				t.Fatalf("ended by itself: %s", p.LogTail(5))
			}
			<-again.C
		}
	}
	clean := script(t, `trap 'exit 0' TERM; echo ready; while :; do read -r -t 0.05 <> <(:); done`)
	ready(clean)
	if err := clean.Terminate(t.Context()); err != nil {
		t.Errorf("clean: %v", err)
	}
	broken := script(t, `trap 'exit 3' TERM; echo ready; while :; do read -r -t 0.05 <> <(:); done`)
	ready(broken)
	if err := broken.Terminate(t.Context()); err == nil {
		t.Error("exit code 3 went unnoticed")
	}
	deaf := script(t, `trap '' TERM; echo ready; while :; do read -r -t 0.05 <> <(:); done`)
	ready(deaf)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := deaf.Terminate(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("deaf: %v", err)
	}
	deaf.End(10 * time.Millisecond)
	if deaf.Running() {
		t.Error("End left the process running")
	}
}

func TestWaitNoticesAProcessThatEndsByItself(t *testing.T) {
	t.Parallel()
	p := script(t, "echo broken; exit 1")
	<-p.Exited()
	c := &Cluster{Nodes: []*Member{{Process: p}}}
	err := c.Wait(t.Context(), "it", func(context.Context) error { return errors.New("not ready") })
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("%v", err)
	}
}

// Processes start meanwhile: a child that is forked holds what its parent has open
// until it executes its program.
func TestFreeAddressesAreFreeAndDiffer(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var forks sync.WaitGroup
	forks.Go(func() {
		for ctx.Err() == nil {
			if err := exec.Command("true").Run(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer forks.Wait()
	defer stop()
	seen := map[string]bool{}
	for range 10 {
		addresses, err := FreeAddresses(20)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addresses {
			if seen[a] {
				t.Errorf("%s twice", a)
			}
			seen[a] = true
			l, err := net.Listen("tcp", a)
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		}
	}
}

func TestAnAddressInUseIsNotFree(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if free(l.Addr().(*net.TCPAddr).Port) {
		t.Error("a port in use is called free")
	}
}
