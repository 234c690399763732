package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that can be started, harmed and started again with the
// same arguments. Its output goes to one file, start after start.
type Process struct {
	Name string
	Args []string // the binary first
	Log  string   // path

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended; nil before the first start
	err    error         // how it ended
	paused bool
	told   bool // to end, by us
}

// Start runs the process; it must not be running.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return fmt.Errorf("start %s: it is running", p.Name)
	}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(p.Args[0], p.Args[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	// Out of the terminal's group, so that only we end it; gone when we are.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited, p.paused, p.told = cmd, exited, false, false
	go func() { // ends with the process; Kill and Stop wait for it
		err := cmd.Wait()
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(exited)
	}()
	return nil
}

// running is called with mu held.
func (p *Process) running() bool {
	if p.exited == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Running reports whether the process is there, paused or not.
func (p *Process) Running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running()
}

// Paused reports whether Pause was the last word.
func (p *Process) Paused() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.paused && p.running()
}

// harmed reports whether it was us who ended the process.
func (p *Process) harmed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.told
}

// PID is the process's number; 0 if it is not running.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *Process) signal(s syscall.Signal) (exited chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return nil, fmt.Errorf("%s is not running", p.Name)
	}
	switch s {
	case syscall.SIGSTOP:
		p.paused = true
	case syscall.SIGCONT:
		p.paused = false
	default:
		p.told = true
	}
	return p.exited, p.cmd.Process.Signal(s)
}

// Kill ends the process with SIGKILL and waits for it.
func (p *Process) Kill() error {
	exited, err := p.signal(syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("kill: %w", err)
	}
	<-exited
	return nil
}

// Pause stops the process with SIGSTOP.
func (p *Process) Pause() error {
	_, err := p.signal(syscall.SIGSTOP)
	return err
}

// Resume lets a paused process go on.
func (p *Process) Resume() error {
	_, err := p.signal(syscall.SIGCONT)
	return err
}

// Terminate asks the process to end, with SIGTERM, and waits for it. It returns
// an error if the process ended with a code other than 0, or not before ctx.
func (p *Process) Terminate(ctx context.Context) error {
	exited, err := p.signal(syscall.SIGTERM)
	if err != nil {
		return fmt.Errorf("terminate: %w", err)
	}
	select {
	case <-exited:
	case <-ctx.Done():
		return fmt.Errorf("terminate %s: %w", p.Name, ctx.Err())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return fmt.Errorf("terminate %s: %w", p.Name, p.err)
	}
	return nil
}

// Exited is closed when the process has ended; nil if it never started.
func (p *Process) Exited() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited
}

// ExitCode is what the process ended with; -1 while it runs, where a signal ended
// it, and before the first start.
func (p *Process) ExitCode() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited == nil || p.running() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// End makes sure that the process is gone: politely first, if it is able to
// listen, then with SIGKILL.
func (p *Process) End(patience time.Duration) {
	if !p.Running() {
		return
	}
	if !p.Paused() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		err := p.Terminate(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return
		}
	}
	_ = p.Kill() // it may have ended meanwhile
}

// LogTail returns the last lines of what the process wrote, for a report.
func (p *Process) LogTail(lines int) string {
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
